// The sub-commands that deal with snapshots (crosvm.md 2.2, 9.2).
//
//   touchstone snapshot take [--compress-memory] PATH VM_SOCKET
//   touchstone snapshot check PATH

#ifndef TOUCHSTONE_VMM_CLI_SNAPSHOT_COMMAND_H_
#define TOUCHSTONE_VMM_CLI_SNAPSHOT_COMMAND_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "vmm/control/control.pb.h"
#include "vmm/control/snapshot_client.h"
#include "vmm/snapshot/snapshot.h"

namespace touchstone {

struct SnapshotLine {
  // Only the path counts for a check.
  bool check = false;
  SnapshotOrder order;
};
// Reads what follows `snapshot`. InvalidArgument says what is wrong; Unimplemented, and why, of
// what other programs have.
absl::StatusOr<SnapshotLine> ParseSnapshotLine(absl::Span<const absl::string_view> arguments);

// Opens a snapshot and reads all of it. What there is to say of one that is whole: a table.
absl::StatusOr<std::string> CheckSnapshot(const std::string& path);

// How far a snapshot is, for one line of a terminal; "\r" first.
std::string ShowProgress(const ControlResponse& progress);
// What makes the line empty again.
inline constexpr absl::string_view kEndProgress = "\r\x1b[K";

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CLI_SNAPSHOT_COMMAND_H_
