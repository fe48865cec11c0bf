#include "vmm/control/machine_control.h"

#include <errno.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "devices/platform/acpi_pm/acpi_pm_registers.h"
#include "vmm/control/control_message.h"

namespace touchstone {

void MachineControl::Obey(const ControlRequest& request, ControlServer::Reply reply) {
  AcpiPm& power = machine_.platform().acpi_pm();
  switch (request.command()) {
    case ControlRequest::STOP:
      // The answer first: the run may be over before the next turn of the loop.
      reply(ControlDone());
      return machine_.lifecycle().End(EndOfRun::kStopped);
    case ControlRequest::SUSPEND:
      return Suspend(request.full(), std::move(reply));
    case ControlRequest::RESUME:
      return reply(Resume(request.full()));
    case ControlRequest::POWER_BUTTON:
      power.PressPowerButton();
      return reply(ControlDone());
    case ControlRequest::SLEEP_BUTTON:
      power.PressSleepButton();
      return reply(ControlDone());
    case ControlRequest::GPE:
      return reply(RaiseGpe(request.number()));
    case ControlRequest::MAKE_REALTIME:
      return reply(MakeRealtime());
    case ControlRequest::UNKNOWN:
      break;
  }
  reply(ControlError(EOPNOTSUPP, "the machine does not know the command"));
}

void MachineControl::Suspend(bool full, ControlServer::Reply reply) {
  machine_.Suspend([this, full, reply = std::move(reply)]() mutable {
    loop_.Post([this, full, reply = std::move(reply)]() mutable {
      FinishSuspend(full, std::move(reply));
    });
  });
}

void MachineControl::FinishSuspend(bool full, ControlServer::Reply reply) {
  if (!machine_.suspended()) {
    return reply(ControlError(ECANCELED, "the machine was resumed meanwhile"));
  }
  if (full) {
    if (absl::Status status = machine_.SleepDevices(); !status.ok()) {
      return reply(ControlError(EIO, std::string(status.message())));
    }
  }
  reply(ControlDone());
}

ControlResponse MachineControl::Resume(bool full) {
  if (machine_.devices_asleep() && !full) {
    return ControlError(EINVAL, "the devices sleep too; resume --full wakes them");
  }
  machine_.WakeDevices();
  machine_.Resume();
  return ControlDone();
}

ControlResponse MachineControl::RaiseGpe(uint32_t number) {
  if (number >= static_cast<uint32_t>(kGpeCount)) {
    return ControlError(EINVAL, absl::StrCat("there are events 0 to ", kGpeCount - 1));
  }
  machine_.platform().acpi_pm().RaiseGpe(static_cast<int>(number));
  return ControlDone();
}

ControlResponse MachineControl::MakeRealtime() {
  const absl::Status status = machine_.MakeRealtime();
  return status.ok() ? ControlDone() : ControlError(EPERM, std::string(status.message()));
}

}  // namespace touchstone
