#include "vmm/machine/interrupt_router.h"

#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/event_fd.h"
#include "base/log.h"
#include "base/status.h"
#include "hypervisor/default_irq_routes.h"

namespace touchstone {

void InterruptRouter::Gsi::Set(bool level) {
  if (split_ != nullptr) return split_->SetInput(gsi_, level);
  if (absl::Status status = vm_.SetIrqLine(gsi_, level); !status.ok()) {
    LOG(kError, "irq", "set GSI %d to %d: %s", gsi_, level, std::string(status.message()));
  }
}

bool InterruptRouter::LocalApics::Deliver(const IoapicMessage& message) {
  const absl::StatusOr<bool> taken = router_.vm_.SignalMsi({message.address, message.data});
  if (!taken.ok()) LOG(kError, "irq", "message: %s", std::string(taken.status().message()));
  return taken.value_or(false);
}

void InterruptRouter::LocalApics::Watch(int input, const std::optional<IoapicMessage>& message) {
  const auto gsi = static_cast<uint32_t>(input);
  MutexLock lock(router_.mutex_);
  if (message.has_value()) {
    router_.levels_[gsi] = {message->address, message->data};
  } else {
    router_.levels_.erase(gsi);
  }
  if (absl::Status status = router_.Publish(); !status.ok()) {
    LOG(kError, "irq", "route GSI %d: %s", gsi, std::string(status.message()));
  }
}

class InterruptRouter::Message final : public MsiRoute {
 public:
  Message(InterruptRouter& router, uint32_t gsi, EventFd trigger)
      : router_(router), gsi_(gsi), trigger_(std::move(trigger)) {}
  ~Message() override {
    if (absl::Status status = router_.vm_.RemoveIrqFd(gsi_, trigger_); !status.ok()) {
      LOG(kWarning, "irq", "%s", std::string(status.message()));
    }
    router_.RemoveMessage(gsi_);
  }

  const EventFd& trigger() const override { return trigger_; }
  absl::Status Update(uint64_t address, uint32_t data) override {
    return router_.SetMessage(gsi_, {address, data});
  }

 private:
  InterruptRouter& router_;
  const uint32_t gsi_;
  const EventFd trigger_;
};

InterruptRouter::InterruptRouter(Vm& vm, SplitIrqChip* split, uint32_t max_messages)
    : vm_(vm), split_(split), max_messages_(max_messages) {
  for (uint32_t gsi = 0; gsi < kIoapicPins; ++gsi) pins_.emplace_back(vm, split, gsi);
  if (split != nullptr) split->ConnectIoapic(local_apics_);
}

IrqLine& InterruptRouter::Connect(uint32_t gsi) {
  CHECK(gsi < kIoapicPins);
  return std::next(pins_.begin(), gsi)->shared.AddInput();
}

absl::StatusOr<std::unique_ptr<MsiRoute>> InterruptRouter::Route(uint64_t address, uint32_t data) {
  ASSIGN_OR_RETURN(EventFd trigger, EventFd::Create());
  uint32_t gsi = kIoapicPins;
  {
    MutexLock lock(mutex_);
    while (messages_.contains(gsi)) ++gsi;
    if (gsi - kIoapicPins >= max_messages_) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "the machine has no more than ", max_messages_, " message-signalled interrupts"));
    }
    messages_[gsi] = {address, data};
    if (absl::Status status = Publish(); !status.ok()) {
      messages_.erase(gsi);
      return status;
    }
  }
  if (absl::Status status = vm_.AddIrqFd(gsi, trigger, nullptr); !status.ok()) {
    RemoveMessage(gsi);
    return status;
  }
  auto message = std::make_unique<Message>(*this, gsi, std::move(trigger));
  MutexLock lock(mutex_);
  triggers_[gsi] = &message->trigger();
  return message;
}

absl::Status InterruptRouter::Settle() {
  MutexLock lock(mutex_);
  for (const auto& [gsi, trigger] : triggers_) {
    // Linux delivers some irqfds from a work queue; one that is taken away is delivered first
    // (virt/kvm/eventfd.c, irqfd_shutdown).
    RETURN_IF_ERROR(vm_.RemoveIrqFd(gsi, *trigger));
    RETURN_IF_ERROR(vm_.AddIrqFd(gsi, *trigger, nullptr));
  }
  return absl::OkStatus();
}

absl::Status InterruptRouter::SetMessage(uint32_t gsi, const MsiMessage& message) {
  MutexLock lock(mutex_);
  messages_[gsi] = message;
  return Publish();
}

void InterruptRouter::RemoveMessage(uint32_t gsi) {
  MutexLock lock(mutex_);
  messages_.erase(gsi);
  triggers_.erase(gsi);
  if (absl::Status status = Publish(); !status.ok()) {
    LOG(kWarning, "irq", "remove the route of GSI %d: %s", gsi, std::string(status.message()));
  }
}

absl::Status InterruptRouter::Publish() {
  std::vector<IrqRoute> routes;
  if (split_ == nullptr) routes = DefaultIrqRoutes();
  for (const auto& [gsi, message] : levels_) routes.push_back({gsi, message});
  for (const auto& [gsi, message] : messages_) routes.push_back({gsi, message});
  return vm_.SetIrqRoutes(routes);
}

}  // namespace touchstone
