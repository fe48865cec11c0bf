// Takes snapshots of a running machine: the server's part of `snapshot take`. The files are those
// that a client has opened, for this process may open none any more (vmm/jail/own_threads.h).
//
// The machine stands still while its memory is written, a few pieces at each turn of the loop, so
// that it can be stopped and a client that leaves ends it. It goes on afterwards if it went before,
// whatever became of the snapshot.
//
// Ownership: all are borrowed. Threads: thread-compatible, on the machine's loop.

#ifndef TOUCHSTONE_VMM_CONTROL_SNAPSHOT_TAKER_H_
#define TOUCHSTONE_VMM_CONTROL_SNAPSHOT_TAKER_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/event/event_loop.h"
#include "base/scoped_fd.h"
#include "vmm/control/control.pb.h"
#include "vmm/control/control_server.h"
#include "vmm/machine/machine.h"
#include "vmm/snapshot/memory_writer.h"

namespace touchstone {

class SnapshotTaker {
 public:
  // All but the memory of a machine that stands still, serialized. Null: it cannot be saved.
  using SaveState = std::function<absl::StatusOr<std::string>(Machine&)>;

  // How often the client hears how far it is.
  static constexpr absl::Duration kProgress = absl::Milliseconds(100);

  SnapshotTaker(Machine& machine, EventLoop& loop, SaveState save)
      : machine_(machine), loop_(loop), save_(std::move(save)) {}

  // Whether one is being taken, and the machine is to stand still.
  [[nodiscard]] bool busy() const { return work_.has_value(); }

  // Answers when the files are written, or why they are not: EINVAL for files that are not empty
  // regular ones, EBUSY while another snapshot is taken, EOPNOTSUPP when something of the machine
  // cannot be saved, which the text names, EIO else.
  void Take(const ControlRequest& request, ControlServer::Caller caller,
            ControlServer::Reply reply);

 private:
  struct Work {
    bool compress = false;
    ControlServer::Caller caller;
    ControlServer::Reply reply;
    // What it was before.
    bool suspended = false;
    bool asleep = false;
    std::string state;
    std::optional<MemoryWriter> writer;
    absl::Duration reported;
  };

  // The vCPUs stand still.
  void Begin();
  void Continue();
  absl::Status WriteMachine();
  void Finish(const ControlResponse& response);

  Machine& machine_;
  EventLoop& loop_;
  const SaveState save_;
  std::optional<Work> work_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONTROL_SNAPSHOT_TAKER_H_
