// `snapshot take`, the client's part: all that has to do with paths.
//
// The snapshot grows in PATH.partial, a folder of the user's alone, and becomes PATH when all of it
// is on disk. So there is a whole snapshot at PATH or nothing, whoever is killed whenever; what an
// earlier client has left in PATH.partial is replaced, unless that client is still there.

#ifndef TOUCHSTONE_VMM_CONTROL_SNAPSHOT_CLIENT_H_
#define TOUCHSTONE_VMM_CONTROL_SNAPSHOT_CLIENT_H_

#include <string>

#include "absl/status/statusor.h"
#include "vmm/control/control.pb.h"
#include "vmm/control/control_client.h"

namespace touchstone {

struct SnapshotOrder {
  std::string path;
  std::string socket;
  bool compress = false;
};

// Has the machine with this control socket write its snapshot to `order.path`, which must not
// exist. A request that the machine refuses is an answer with an error; nothing is left behind by
// it, by an error of this process, which names the path, or by SIGINT, SIGTERM or SIGHUP.
// Thread-compatible: one in a process at a time, for the sake of these.
absl::StatusOr<ControlResponse> TakeSnapshot(const SnapshotOrder& order,
                                             const ControlProgress& progress);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONTROL_SNAPSHOT_CLIENT_H_
