// A machine on the fake hypervisor that waits for a state, for tests of saving and restoring.
//
//   RestoredMachine from(config), to(config);
//   ... from.vcpu(0).SetRegisters(...); from.machine().ports().Write(...); ...
//   ASSERT_TRUE(RestoreMachine(to.machine(), *SaveMachine(from.machine())).ok());
//
// Thread-compatible.

#ifndef TOUCHSTONE_VMM_MACHINE_RESTORED_MACHINE_H_
#define TOUCHSTONE_VMM_MACHINE_RESTORED_MACHINE_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/event/epoll_loop.h"
#include "base/log.h"
#include "hypervisor/fake/fake_hypervisor.h"
#include "vmm/config/config.pb.h"
#include "vmm/config/defaults.h"
#include "vmm/jail/spawn_server.h"
#include "vmm/machine/build_machine.h"
#include "vmm/machine/machine.h"
#include "vmm/machine/machine_host.h"

namespace touchstone {

class RestoredMachine {
 public:
  // A configuration without a jail, with little memory and no more devices than every machine has.
  static RunConfig SmallConfig() {
    RunConfig config;
    config.set_kernel("/nonexistent");
    config.set_disable_sandbox(true);
    config.mutable_mem()->set_size(16);
    return config;
  }

  // Made of what `config` says; dies when that cannot be built.
  // `jails` makes the jailed devices' processes.
  explicit RestoredMachine(RunConfig config = SmallConfig(), const SpawnServer* jails = nullptr)
      : loop_(*EpollLoop::Create()) {
    ApplyDefaults(config);
    host_.hypervisor = &hypervisor_;
    host_.loop = loop_.get();
    host_.clock = &SystemClock();
    host_.jails = jails;
    host_.restored = true;
    absl::StatusOr<std::unique_ptr<Machine>> machine = BuildMachine(config, host_, [] {});
    if (!machine.ok()) LOG(kError, "test", "%s", std::string(machine.status().message()));
    CHECK(machine.ok());
    machine_ = *std::move(machine);
  }

  [[nodiscard]] Machine& machine() { return *machine_; }
  [[nodiscard]] FakeVm& vm() { return *hypervisor_.vm(); }

  // Turns the loop until `done` says so; dies when that takes seconds.
  void TurnUntil(const std::function<bool()>& done) {
    bool late = false;
    const Watch patience = loop_->After(absl::Seconds(20), [&] { late = true; });
    std::function<void()> turn = [&] {
      CHECK(!late);
      if (done()) return loop_->Stop();
      loop_->Post(turn);
    };
    loop_->Post(turn);
    loop_->Run();
  }

 private:
  FakeHypervisor hypervisor_;
  std::unique_ptr<EpollLoop> loop_;
  MachineHost host_;
  std::unique_ptr<Machine> machine_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_RESTORED_MACHINE_H_
