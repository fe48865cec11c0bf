#include "vmm/cli/run_machine.h"

#include <string.h>
#include <sys/socket.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/event/epoll_loop.h"
#include "base/log.h"
#include "base/program_pages.h"
#include "base/scoped_fd.h"
#include "base/status.h"
#include "base/unix_listener.h"
#include "hypervisor/hypervisor.h"
#include "hypervisor/kvm/kvm_hypervisor.h"
#include "vmm/control/control_server.h"
#include "vmm/control/control_socket.h"
#include "vmm/control/machine_control.h"
#include "vmm/gdb/machine_target.h"
#include "vmm/gdb/server.h"
#include "vmm/jail/own_threads.h"
#include "vmm/jail/spawn_server.h"
#include "vmm/machine/build_machine.h"
#include "vmm/machine/device_host.h"
#include "vmm/machine/machine.h"
#include "vmm/machine/machine_shape.h"
#include "vmm/machine/machine_state.h"
#include "vmm/machine/memory_policy.h"
#include "vmm/machine/shutdown_signals.h"
#include "vmm/machine/vhost_user_devices.h"
#include "vmm/snapshot/snapshot.h"

namespace touchstone {
namespace {

// crosvm.md 2.3 and 7.7: a triple fault counts as a stop.
ExitCode CodeOf(EndOfRun reason) {
  switch (reason) {
    case EndOfRun::kPowerOff:
    case EndOfRun::kTripleFault:
    case EndOfRun::kStopped:
      return ExitCode::kOk;
    case EndOfRun::kReset:
      return ExitCode::kReset;
    case EndOfRun::kCrash:
      return ExitCode::kCrash;
    case EndOfRun::kPanic:
      return ExitCode::kPanic;
  }
  return ExitCode::kError;
}

// --socket.
absl::StatusOr<std::optional<UnixListener>> OpenControlSocket(const RunConfig& config) {
  std::optional<UnixListener> socket;
  if (!config.has_socket()) return socket;
  absl::StatusOr<UnixListener> opened = ListenForControl(config.socket());
  if (!opened.ok()) return Annotate(opened.status(), "--socket");
  socket.emplace(*std::move(opened));
  return socket;
}

// --gdb and --gdb-socket. The machine waits for a debugger, and then obeys it.
class Debugger {
 public:
  static absl::StatusOr<std::unique_ptr<Debugger>> Create(const RunConfig& config, Machine& machine,
                                                          EventLoop& loop) {
    std::unique_ptr<Debugger> self;
    if (!config.has_gdb() && !config.has_gdb_socket()) return self;
    self.reset(new Debugger(machine, loop));
    if (config.has_gdb()) {
      absl::StatusOr<ScopedFd> port = ListenForGdb(static_cast<uint16_t>(config.gdb()));
      if (!port.ok()) return Annotate(port.status(), "--gdb");
      self->port_ = *std::move(port);
      self->server_.emplace(self->port_.get(), loop, self->target_);
    } else {
      absl::StatusOr<UnixListener> socket = UnixListener::Listen(config.gdb_socket(), SOCK_STREAM);
      if (!socket.ok()) return Annotate(socket.status(), "--gdb-socket");
      self->socket_.emplace(*std::move(socket));
      self->server_.emplace(self->socket_->fd(), loop, self->target_);
    }
    return self;
  }

  void Ended(ExitCode code) { server_->Ended(static_cast<uint8_t>(code)); }

 private:
  Debugger(Machine& machine, EventLoop& loop) : target_(machine, loop) {}

  MachineTarget target_;
  ScopedFd port_;
  std::optional<UnixListener> socket_;
  std::optional<GdbServer> server_;
};

// What snapshots hold besides the memory.
absl::StatusOr<std::string> SaveState(Machine& machine) {
  ASSIGN_OR_RETURN(const MachineState state, SaveMachine(machine));
  return state.SerializeAsString();
}

// --restore: the machine goes on from there, once it is woken. The result lives longer than its
// memory is used.
absl::StatusOr<RestoredMemory> Restore(const RunConfig& config, const Snapshot& snapshot,
                                       Machine& machine) {
  MachineState state;
  if (!state.ParseFromString(snapshot.machine())) {
    return absl::DataLossError("the state of the machine cannot be read");
  }
  // Before the memory: it says more of what is different.
  RETURN_IF_ERROR(CheckShape(state.shape(), ShapeOf(machine)));
  ASSIGN_OR_RETURN(RestoredMemory memory, RestoreMemory(snapshot, machine.memory()));
  machine.memory().AdviseHugePages(GuestAddress{0});
  // What is mapped now is not what this was said of before.
  RETURN_IF_ERROR(ApplyMemoryPolicy(config, machine.memory()));
  RETURN_IF_ERROR(RestoreMachine(machine, state));
  return memory;
}

// None where devices are not in jails either.
absl::StatusOr<std::optional<OwnThreads>> PrepareThreads(const RunConfig& config) {
  if (!DeviceHost::Wanted(config)) return std::nullopt;
  return OwnThreads::Prepare({.log_failures = config.seccomp_log_failures(),
                              .keep_scheduling = config.delay_rt(),
                              .connects = HasVhostUserDevices(config)});
}

}  // namespace

absl::StatusOr<ExitCode> RunMachine(const RunConfig& config) {
  std::optional<Snapshot> snapshot;
  if (config.has_restore()) {
    absl::StatusOr<Snapshot> opened = Snapshot::Open(config.restore());
    if (!opened.ok()) return Annotate(opened.status(), "--restore");
    snapshot.emplace(*std::move(opened));
  }
  std::unique_ptr<SpawnServer> jails;
  if (DeviceHost::Wanted(config)) {
    ASSIGN_OR_RETURN(jails,
                     SpawnServer::Start(DeviceHost::Program({.pivot_root = config.pivot_root()})));
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<EpollLoop> loop, EpollLoop::Create());
  const bool by_hypervisor = config.has_hypervisor();
  absl::StatusOr<std::unique_ptr<Hypervisor>> opened =
      OpenKvm(by_hypervisor ? config.hypervisor().kvm().device() : config.kvm_device());
  if (!opened.ok()) {
    return Annotate(opened.status(), by_hypervisor ? "--hypervisor: device=" : "--kvm-device");
  }
  const std::unique_ptr<Hypervisor> hypervisor = *std::move(opened);
  RestoredMemory restored;
  std::unique_ptr<Machine> machine;
  ASSIGN_OR_RETURN(const std::unique_ptr<ShutdownSignals> signals,
                   ShutdownSignals::Create(*loop, [&machine](int signal) {
                     LOG(kInfo, "run", "%s: the machine is stopped", strsignal(signal));
                     machine->lifecycle().End(EndOfRun::kStopped);
                   }));
  // From here on a signal, too, removes its file.
  ASSIGN_OR_RETURN(std::optional<UnixListener> socket, OpenControlSocket(config));
  ASSIGN_OR_RETURN(machine, BuildMachine(config,
                                         {.hypervisor = hypervisor.get(),
                                          .loop = loop.get(),
                                          .clock = &SystemClock(),
                                          .jails = jails.get(),
                                          .restored = snapshot.has_value()},
                                         [raw = loop.get()] { raw->Stop(); }));
  if (snapshot.has_value()) {
    absl::StatusOr<RestoredMemory> memory = Restore(config, *snapshot, *machine);
    if (!memory.ok()) return Annotate(memory.status(), "--restore");
    restored = *std::move(memory);
  }
  MachineControl control(*machine, *loop, config.s2idle(), SaveState);
  std::optional<ControlServer> server;
  if (socket.has_value()) {
    server.emplace(*std::move(socket), *loop,
                   [&control](const ControlRequest& request, ControlServer::Caller caller,
                              ControlServer::Reply reply) {
                     control.Obey(request, std::move(caller), std::move(reply));
                   });
  }
  if (config.suspended()) {
    if (!config.has_socket())
      LOG(kWarning, "run", "--suspended: without --socket nobody resumes it");
    machine->Suspend(nullptr);
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<Debugger> debugger,
                   Debugger::Create(config, *machine, *loop));
  ASSIGN_OR_RETURN(const std::optional<OwnThreads> threads, PrepareThreads(config));
  machine->Start(
      [&threads] { return threads.has_value() ? threads->ConfineVcpu() : absl::OkStatus(); });
  if (threads.has_value()) {
    machine->RunOnHelperThread([own = *threads, lifecycle = &machine->lifecycle()] {
      if (const absl::Status confined = own.ConfineBroker(); !confined.ok()) {
        LOG(kError, "run", "%s", confined.message());
        lifecycle->End(EndOfRun::kStopped);
      }
    });
    RETURN_IF_ERROR(threads->ConfineMain());
  }
  if (snapshot.has_value()) {
    snapshot.reset();
    if (!config.suspended()) {
      machine->WakeDevices();
      // Not Machine::Resume: the guest may be in a sleep state of its own.
      machine->gate().Open(PauseGate::Reason::kHost);
    }
  }
  // Most of the program has done its work.
  ReleaseProgramPages();
  loop->Run();
  machine->Stop();
  RETURN_IF_ERROR(machine->lifecycle().failure());
  const ExitCode code = CodeOf(*machine->lifecycle().end());
  if (debugger != nullptr) debugger->Ended(code);
  return code;
}

}  // namespace touchstone
