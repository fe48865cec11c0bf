// Small files, whole: configuration.

#ifndef TOUCHSTONE_VMM_CLI_TEXT_FILE_H_
#define TOUCHSTONE_VMM_CLI_TEXT_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace touchstone {

// Larger files are refused.
inline constexpr size_t kMaxTextFile = size_t{4} << 20;

// The content of the file, or pipe, at `path`. Errors name the path and the reason.
absl::StatusOr<std::string> ReadTextFile(const std::string& path);

// Makes `text` the content of the file at `path`, which need not exist.
absl::Status WriteTextFile(const std::string& path, absl::string_view text);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CLI_TEXT_FILE_H_
