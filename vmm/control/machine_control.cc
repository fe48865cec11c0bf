#include "vmm/control/machine_control.h"

#include <errno.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "devices/platform/acpi_pm/acpi_pm_registers.h"
#include "devices/virtio/block/block_handle.h"
#include "vmm/control/control_message.h"
#include "vmm/control/machine_status.h"

namespace touchstone {
namespace {

constexpr absl::string_view kNoBalloon = "the machine has no balloon";

ControlResponse StandsStill() {
  return ControlError(EBUSY, "the machine stands still for a snapshot");
}

}  // namespace

void MachineControl::Obey(const ControlRequest& request, ControlServer::Caller caller,
                          ControlServer::Reply reply) {
  AcpiPm& power = machine_.platform().acpi_pm();
  switch (request.command()) {
    case ControlRequest::STOP:
      // The answer first: the run may be over before the next turn of the loop.
      reply(ControlDone());
      return machine_.lifecycle().End(EndOfRun::kStopped);
    case ControlRequest::SUSPEND:
      if (snapshots_.busy()) return reply(StandsStill());
      return Suspend(request.full(), std::move(reply));
    case ControlRequest::RESUME:
      return reply(snapshots_.busy() ? StandsStill() : Resume(request.full()));
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
    case ControlRequest::BALLOON:
      return SetBalloon(request, std::move(reply));
    case ControlRequest::BALLOON_STATISTICS:
      return SendBalloonStatistics(std::move(reply));
    case ControlRequest::STATUS:
      return reply(SendStatus());
    case ControlRequest::SNAPSHOT_TAKE:
      return snapshots_.Take(request, std::move(caller), std::move(reply));
    case ControlRequest::DISK_RESIZE:
      if (snapshots_.busy()) return reply(StandsStill());
      return ResizeDisk(request, std::move(reply));
    case ControlRequest::BALLOON_WORKING_SET:
      // No driver of Linux's has them, and the virtio standard neither.
      return reply(ControlError(EOPNOTSUPP,
                                machine_.balloon() == nullptr
                                    ? std::string(kNoBalloon)
                                    : "the balloon of this machine does not report working sets"));
    case ControlRequest::CONSOLE:
      return reply(AttachConsole(request, std::move(caller)));
    case ControlRequest::UNKNOWN:
      break;
  }
  reply(ControlError(EOPNOTSUPP, "the machine does not know the command"));
}

void MachineControl::Suspend(bool full, ControlServer::Reply reply) {
  const bool awake = !machine_.suspended() && !machine_.platform().acpi_pm().idle();
  if (s2idle_ && awake) return PutToSleep(full, std::move(reply));
  Halt(full, std::move(reply));
}

void MachineControl::PutToSleep(bool full, ControlServer::Reply reply) {
  machine_.platform().acpi_pm().PressSleepButton();
  int64_t turns_left = kIdlePatience / kPoll;
  Repeat([this, full, turns_left, reply = std::move(reply)]() mutable {
    if (machine_.platform().acpi_pm().idle() && !snapshots_.busy()) {
      Halt(full, std::move(reply));
      return true;
    }
    if (--turns_left > 0) return false;
    reply(ControlError(
        ETIMEDOUT, absl::StrCat("the guest did not go to sleep within ",
                                absl::ToInt64Seconds(kIdlePatience), " s of its sleep button")));
    return true;
  });
}

void MachineControl::Halt(bool full, ControlServer::Reply reply) {
  machine_.Suspend([this, full, reply = std::move(reply)]() mutable {
    loop_.Post(
        [this, full, reply = std::move(reply)]() mutable { FinishHalt(full, std::move(reply)); });
  });
}

void MachineControl::FinishHalt(bool full, ControlServer::Reply reply) {
  int64_t turns_left = kDevicePatience / kPoll;
  Repeat([this, full, turns_left, reply = std::move(reply)]() mutable {
    if (!machine_.suspended()) {
      reply(ControlError(ECANCELED, "the machine was resumed meanwhile"));
      return true;
    }
    const absl::Status status = full ? machine_.SleepDevices() : absl::OkStatus();
    // A device whose process died is replaced before long.
    if (absl::IsUnavailable(status) && --turns_left > 0) return false;
    reply(status.ok() ? ControlDone() : ControlError(EIO, std::string(status.message())));
    return true;
  });
}

ControlResponse MachineControl::Resume(bool full) {
  if (machine_.devices_asleep() && !full) {
    return ControlError(EINVAL, "the devices sleep too; resume --full wakes them");
  }
  machine_.WakeDevices();
  machine_.Resume();
  AcpiPm& power = machine_.platform().acpi_pm();
  if (s2idle_ && power.idle()) power.PressPowerButton();
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

void MachineControl::SetBalloon(const ControlRequest& request, ControlServer::Reply reply) {
  BalloonHandle* const balloon = machine_.balloon();
  if (balloon == nullptr) return reply(ControlError(EOPNOTSUPP, std::string(kNoBalloon)));
  balloon->SetTarget(request.size());
  if (!request.wait()) return reply(ControlDone());
  uint64_t last = balloon->actual();
  const int64_t patience = kBalloonPatience / kPoll;
  Repeat([balloon, last, patience, turns_left = patience, reply = std::move(reply)]() mutable {
    const uint64_t actual = balloon->actual();
    if (actual == balloon->target()) {
      reply(ControlDone());
      return true;
    }
    turns_left = actual == last ? turns_left - 1 : patience;
    last = actual;
    if (turns_left > 0) return false;
    reply(ControlError(ETIMEDOUT,
                       absl::StrCat("the balloon holds ", actual, " of ", balloon->target(),
                                    " bytes, and the guest gets no further")));
    return true;
  });
}

void MachineControl::ResizeDisk(const ControlRequest& request, ControlServer::Reply reply) {
  const std::vector<BlockHandle*>& disks = machine_.disks();
  if (request.number() >= disks.size()) {
    return reply(ControlError(
        ENODEV, absl::StrCat("there is no disk ", request.number(), ": the machine has ",
                             disks.size(), " of --block, counted from 0; one of --vhost-user is ",
                             "its own program's to change")));
  }
  disks[request.number()]->Resize(
      request.size(), [index = request.number(), reply = std::move(reply)](
                          int error, const std::string& why) mutable {
        reply(error == 0 ? ControlDone()
                         : ControlError(error, absl::StrCat("disk ", index, ": ", why)));
      });
}

ControlResponse MachineControl::AttachConsole(const ControlRequest& request,
                                              ControlServer::Caller caller) {
  PlatformDevices& platform = machine_.platform();
  const std::vector<PlatformDevices::Console>& consoles = platform.consoles();
  const size_t index = request.has_number() ? request.number() : platform.main_console();
  if (index >= consoles.size()) {
    return ControlError(ENODEV, absl::StrCat("there is no --serial ", index, ": the machine has ",
                                             consoles.size(), ", counted from 0"));
  }
  const PlatformDevices::Console& console = consoles[index];
  if (console.hub == nullptr) {
    std::string others;
    for (size_t i = 0; i < consoles.size(); ++i) {
      if (consoles[i].hub != nullptr) {
        absl::StrAppend(&others, "; --index=", i, ": ", consoles[i].name);
      }
    }
    return ControlError(EOPNOTSUPP,
                        absl::StrCat(console.name, " cannot be attached to, serial ports can",
                                     others.empty() ? "; the machine has none" : others));
  }
  if (caller.files.size() != 1) return ControlError(EINVAL, "no socket came with the request");
  const absl::Status status = console.hub->Attach(std::move(caller.files[0]));
  if (status.ok()) return ControlDone(console.name);
  return ControlError(absl::IsInvalidArgument(status) ? EINVAL : EBUSY,
                      std::string(status.message()));
}

ControlResponse MachineControl::SendStatus() {
  ControlResponse response = ControlDone();
  *response.mutable_status() = DescribeMachine(machine_, SystemClock().Monotonic() - started_);
  return response;
}

// crosvm.md 2.2, "balloon_stats shape", as it prints it: two blanks for each level.
void MachineControl::SendBalloonStatistics(ControlServer::Reply reply) {
  BalloonHandle* const balloon = machine_.balloon();
  if (balloon == nullptr) return reply(ControlError(EOPNOTSUPP, std::string(kNoBalloon)));
  balloon->RequestStatistics(
      [balloon, reply = std::move(reply)](absl::optional<BalloonStatistics> statistics) mutable {
        if (!statistics.has_value()) {
          return reply(ControlError(EAGAIN, "the guest says nothing of its memory"));
        }
        const std::string values = absl::StrReplaceAll(
            statistics->ToJson(),
            {{"{", "{\n      "}, {",", ",\n      "}, {":", ": "}, {"}", "\n    }"}});
        reply(ControlDone(absl::StrCat("{\n  \"BalloonStats\": {\n    \"stats\": ", values,
                                       ",\n    \"balloon_actual\": ", balloon->actual(),
                                       "\n  }\n}\n")));
      });
}

void MachineControl::Repeat(Step step) {
  if (step()) return;
  steps_.push_back(std::move(step));
  if (!poll_.active()) poll_ = loop_.After(kPoll, [this] { Poll(); });
}

void MachineControl::Poll() {
  poll_.Reset();
  for (Step& step : std::exchange(steps_, {})) {
    if (!step()) steps_.push_back(std::move(step));
  }
  if (!steps_.empty()) poll_ = loop_.After(kPoll, [this] { Poll(); });
}

}  // namespace touchstone
