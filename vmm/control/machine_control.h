// Carries out what clients of the control socket ask of a machine.
//
// Errors in answers are crosvm's (crosvm.md 2.2, "errno conventions"); their text says more.
//
// Ownership: machine and loop are borrowed. Threads: thread-compatible, on the machine's loop.

#ifndef TOUCHSTONE_VMM_CONTROL_MACHINE_CONTROL_H_
#define TOUCHSTONE_VMM_CONTROL_MACHINE_CONTROL_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/event/event_loop.h"
#include "devices/virtio/balloon/balloon_handle.h"
#include "vmm/control/control.pb.h"
#include "vmm/control/control_server.h"
#include "vmm/control/snapshot_taker.h"
#include "vmm/machine/machine.h"

namespace touchstone {

class MachineControl {
 public:
  // How often the guest is looked at while somebody waits for what it does.
  static constexpr absl::Duration kPoll = absl::Milliseconds(20);
  // How long a guest may take to go into suspend-to-idle (crosvm.md 9.3).
  static constexpr absl::Duration kIdlePatience = absl::Seconds(15);
  // How long one that suspends machine and devices waits for a device whose process is replaced.
  static constexpr absl::Duration kDevicePatience = absl::Seconds(5);
  // A guest whose balloon has not changed for so long gets no further.
  static constexpr absl::Duration kBalloonPatience = absl::Seconds(2);

  // `s2idle`: the machine has suspend-to-idle, and its guest is put to sleep and woken (crosvm.md
  // 9.3). `save` is what snapshots hold besides the memory.
  MachineControl(Machine& machine, EventLoop& loop, bool s2idle, SnapshotTaker::SaveState save)
      : machine_(machine),
        loop_(loop),
        s2idle_(s2idle),
        started_(SystemClock().Monotonic()),
        snapshots_(machine, loop, std::move(save)) {}

  // Answers at once, or when it is done. This outlives the loop's last turn.
  void Obey(const ControlRequest& request, ControlServer::Caller caller,
            ControlServer::Reply reply);

 private:
  // Called now and then until it returns true.
  using Step = absl::AnyInvocable<bool()>;

  void Suspend(bool full, ControlServer::Reply reply);
  // Has the guest go to sleep by itself, then halts it.
  void PutToSleep(bool full, ControlServer::Reply reply);
  void Halt(bool full, ControlServer::Reply reply);
  // The vCPUs stand still, or go on already.
  void FinishHalt(bool full, ControlServer::Reply reply);
  ControlResponse Resume(bool full);
  ControlResponse RaiseGpe(uint32_t number);
  ControlResponse MakeRealtime();
  void SetBalloon(const ControlRequest& request, ControlServer::Reply reply);
  void SendBalloonStatistics(ControlServer::Reply reply);
  void ResizeDisk(const ControlRequest& request, ControlServer::Reply reply);

  ControlResponse SendStatus();
  ControlResponse AttachConsole(const ControlRequest& request, ControlServer::Caller caller);

  void Repeat(Step step);
  void Poll();

  Machine& machine_;
  EventLoop& loop_;
  const bool s2idle_;
  const absl::Duration started_;
  SnapshotTaker snapshots_;
  std::vector<Step> steps_;
  Watch poll_;  // While there are steps.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONTROL_MACHINE_CONTROL_H_
