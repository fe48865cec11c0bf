// The file `machine` of a snapshot: a header, then sections of bytes, each under a CRC-32C. Numbers
// are little-endian.
//
//   0   magic "TSSNAP\r\n"            section:  0   kind
//   8   version of the format                   4   CRC-32C of the payload
//   12  number of sections                      8   size of the payload
//   16  size of the whole file                 16   CRC-32C of the 16 bytes before
//   24  CRC-32C of the 24 bytes before         20   the payload
//
// There is no byte that no checksum covers, and nothing behind the last section. Only this version
// is read: a program that changes what a section says counts it up.
//
// Functions of their arguments: thread-safe.

#ifndef TOUCHSTONE_VMM_SNAPSHOT_CONTAINER_H_
#define TOUCHSTONE_VMM_SNAPSHOT_CONTAINER_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace touchstone {

inline constexpr uint32_t kSnapshotVersion = 1;

struct SnapshotSections {
  // The state of the machine but for its memory, serialized.
  std::string machine;
  // The map of its memory (memory_map.h), serialized.
  std::string memory_map;

  bool operator==(const SnapshotSections&) const = default;
};

std::string EncodeContainer(const SnapshotSections& sections);

// DataLoss says what is wrong with `bytes`; FailedPrecondition that they are of another version.
absl::StatusOr<SnapshotSections> DecodeContainer(absl::string_view bytes);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_SNAPSHOT_CONTAINER_H_
