#include "hypervisor/fake/fake_irq_chip.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "hypervisor/default_irq_routes.h"

namespace touchstone {
namespace {

// KVM_CAP_IRQ_ROUTING of today's kernels.
constexpr uint32_t kMaxGsis = 4096;

bool IsValidTarget(const IrqRoute& route) {
  const auto* pin = std::get_if<IrqRoute::Pin>(&route.target);
  if (pin == nullptr) return true;
  return pin->pin < (pin->chip == IrqChip::kIoapic ? kIoapicPins : kPicPins);
}

}  // namespace

FakeIrqChip::FakeIrqChip() : routes_(DefaultIrqRoutes()) {}

absl::Status FakeIrqChip::AddIrqFd(uint32_t gsi, const EventFd& trigger, const EventFd* resample) {
  ASSIGN_OR_RETURN(EventFd trigger_copy, trigger.Duplicate());
  std::optional<EventFd> resample_copy;
  if (resample != nullptr) {
    ASSIGN_OR_RETURN(EventFd copy, resample->Duplicate());
    resample_copy.emplace(std::move(copy));
  }
  MutexLock lock(mutex_);
  if (split_ && resample != nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("GSI ", gsi, ": no resampling with a split chip"));
  }
  // KVM answers EBUSY: an eventfd has one irqfd, whatever its GSI.
  for (const IrqFd& irq_fd : irq_fds_) {
    if (irq_fd.caller_fd == trigger.fd()) {
      return absl::UnavailableError(absl::StrCat("GSI ", gsi, ": the descriptor is in use"));
    }
  }
  irq_fds_.push_back({.gsi = gsi,
                      .caller_fd = trigger.fd(),
                      .trigger = std::move(trigger_copy),
                      .resample = std::move(resample_copy)});
  return absl::OkStatus();
}

absl::Status FakeIrqChip::RemoveIrqFd(uint32_t gsi, const EventFd& trigger) {
  MutexLock lock(mutex_);
  // KVM does not mind one that was never added.
  std::erase_if(irq_fds_, [&](const IrqFd& irq_fd) {
    return irq_fd.gsi == gsi && irq_fd.caller_fd == trigger.fd();
  });
  return absl::OkStatus();
}

void FakeIrqChip::Split() {
  MutexLock lock(mutex_);
  split_ = true;
  routes_.clear();
}

absl::Status FakeIrqChip::SetRoutes(absl::Span<const IrqRoute> routes) {
  MutexLock lock(mutex_);
  for (const IrqRoute& route : routes) {
    const bool no_pins = split_ && std::holds_alternative<IrqRoute::Pin>(route.target);
    if (route.gsi >= kMaxGsis || !IsValidTarget(route) || no_pins) {
      return absl::InvalidArgumentError(absl::StrCat("interrupt route of GSI ", route.gsi));
    }
  }
  routes_.assign(routes.begin(), routes.end());
  return absl::OkStatus();
}

void FakeIrqChip::Deliver(uint32_t gsi, bool level) {
  for (const IrqRoute& route : routes_) {
    if (route.gsi != gsi) continue;
    // A message has no falling edge.
    if (!level && std::holds_alternative<MsiMessage>(route.target)) continue;
    interrupts_.push_back({.gsi = gsi, .target = route.target, .level = level});
  }
}

void FakeIrqChip::SetLine(uint32_t gsi, bool level) {
  MutexLock lock(mutex_);
  if (std::exchange(lines_[gsi], level) == level) return;
  Deliver(gsi, level);
}

bool FakeIrqChip::SignalMsi(const MsiMessage& message) {
  MutexLock lock(mutex_);
  if (accepts_messages_) interrupts_.push_back({.gsi = std::nullopt, .target = message});
  return accepts_messages_;
}

void FakeIrqChip::set_accepts_messages(bool accepts) {
  MutexLock lock(mutex_);
  accepts_messages_ = accepts;
}

size_t FakeIrqChip::Poll() {
  MutexLock lock(mutex_);
  size_t signalled = 0;
  for (IrqFd& irq_fd : irq_fds_) {
    if (irq_fd.trigger.Drain() == 0) continue;
    ++signalled;
    if (irq_fd.resample.has_value()) {
      irq_fd.raised = true;
      if (!std::exchange(lines_[irq_fd.gsi], true)) Deliver(irq_fd.gsi, true);
    } else {
      Deliver(irq_fd.gsi, true);
    }
  }
  return signalled;
}

void FakeIrqChip::EndOfInterrupt(uint32_t gsi) {
  MutexLock lock(mutex_);
  for (IrqFd& irq_fd : irq_fds_) {
    if (irq_fd.gsi != gsi || !irq_fd.resample.has_value()) continue;
    if (std::exchange(irq_fd.raised, false) && std::exchange(lines_[gsi], false)) {
      Deliver(gsi, false);
    }
    irq_fd.resample->Signal();
  }
}

std::vector<FakeInterrupt> FakeIrqChip::TakeInterrupts() {
  MutexLock lock(mutex_);
  return std::exchange(interrupts_, {});
}

bool FakeIrqChip::line(uint32_t gsi) const {
  MutexLock lock(mutex_);
  const auto found = lines_.find(gsi);
  return found != lines_.end() && found->second;
}

std::vector<IrqRoute> FakeIrqChip::routes() const {
  MutexLock lock(mutex_);
  return routes_;
}

size_t FakeIrqChip::irq_fd_count() const {
  MutexLock lock(mutex_);
  return irq_fds_.size();
}

}  // namespace touchstone
