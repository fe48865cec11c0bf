// Small files of the host as bytes in memory.

#ifndef TOUCHSTONE_BASE_READ_FILE_H_
#define TOUCHSTONE_BASE_READ_FILE_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace touchstone {

// All of the file at `path`, "/proc/self/fd/N" as in OpenFile. ResourceExhausted when it has more
// than `limit` bytes, of which no more than one is read beyond it. Errors name the path.
// Thread-safe.
absl::StatusOr<std::vector<uint8_t>> ReadFile(absl::string_view path, uint64_t limit);

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_READ_FILE_H_
