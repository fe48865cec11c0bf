#include "vmm/cli/run_machine.h"

#include <string.h>

#include <memory>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/event/epoll_loop.h"
#include "base/log.h"
#include "base/program_pages.h"
#include "base/status.h"
#include "hypervisor/hypervisor.h"
#include "hypervisor/kvm/kvm_hypervisor.h"
#include "vmm/control/control_server.h"
#include "vmm/control/control_socket.h"
#include "vmm/control/machine_control.h"
#include "vmm/machine/build_machine.h"
#include "vmm/machine/machine.h"
#include "vmm/machine/shutdown_signals.h"

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
absl::StatusOr<std::optional<ControlSocket>> OpenControlSocket(const RunConfig& config) {
  std::optional<ControlSocket> socket;
  if (!config.has_socket()) return socket;
  absl::StatusOr<ControlSocket> opened = ControlSocket::Listen(config.socket());
  if (!opened.ok()) return Annotate(opened.status(), "--socket");
  socket.emplace(*std::move(opened));
  return socket;
}

}  // namespace

absl::StatusOr<ExitCode> RunMachine(const RunConfig& config) {
  ASSIGN_OR_RETURN(const std::unique_ptr<EpollLoop> loop, EpollLoop::Create());
  const bool by_hypervisor = config.has_hypervisor();
  absl::StatusOr<std::unique_ptr<Hypervisor>> opened =
      OpenKvm(by_hypervisor ? config.hypervisor().kvm().device() : config.kvm_device());
  if (!opened.ok()) {
    return Annotate(opened.status(), by_hypervisor ? "--hypervisor: device=" : "--kvm-device");
  }
  const std::unique_ptr<Hypervisor> hypervisor = *std::move(opened);
  std::unique_ptr<Machine> machine;
  ASSIGN_OR_RETURN(const std::unique_ptr<ShutdownSignals> signals,
                   ShutdownSignals::Create(*loop, [&machine](int signal) {
                     LOG(kInfo, "run", "%s: the machine is stopped", strsignal(signal));
                     machine->lifecycle().End(EndOfRun::kStopped);
                   }));
  // From here on a signal, too, removes its file.
  ASSIGN_OR_RETURN(std::optional<ControlSocket> socket, OpenControlSocket(config));
  ASSIGN_OR_RETURN(machine, BuildMachine(config, {hypervisor.get(), loop.get(), &SystemClock()},
                                         [raw = loop.get()] { raw->Stop(); }));
  MachineControl control(*machine, *loop, config.s2idle());
  std::optional<ControlServer> server;
  if (socket.has_value()) {
    server.emplace(*std::move(socket), *loop,
                   [&control](const ControlRequest& request, ControlServer::Reply reply) {
                     control.Obey(request, std::move(reply));
                   });
  }
  if (config.suspended()) {
    if (!config.has_socket())
      LOG(kWarning, "run", "--suspended: without --socket nobody resumes it");
    machine->Suspend(nullptr);
  }
  machine->Start();
  // Most of the program has done its work.
  ReleaseProgramPages();
  loop->Run();
  machine->Stop();
  return CodeOf(*machine->lifecycle().end());
}

}  // namespace touchstone
