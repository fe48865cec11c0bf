#include "vmm/machine/interrupt_router.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/event_fd.h"
#include "base/log.h"
#include "base/status.h"
#include "hypervisor/default_irq_routes.h"

namespace touchstone {
class InterruptRouter::Line final : public IrqLine {
 public:
  Line(InterruptRouter& router, uint32_t gsi) : router_(router), gsi_(gsi) {}
  ~Line() override { Set(false); }

  void Set(bool level) override {
    MutexLock lock(mutex_);
    if (level == level_) return;
    level_ = level;
    level ? router_.Assert(gsi_) : router_.Deassert(gsi_);
  }

 private:
  InterruptRouter& router_;
  const uint32_t gsi_;
  Mutex mutex_;
  bool level_ ABSL_GUARDED_BY(mutex_) = false;
};

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

InterruptRouter::InterruptRouter(Vm& vm, uint32_t max_messages)
    : vm_(vm), max_messages_(max_messages) {}

std::unique_ptr<IrqLine> InterruptRouter::Connect(uint32_t gsi) {
  CHECK(gsi < kIoapicPins);
  return std::make_unique<Line>(*this, gsi);
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
  return std::make_unique<Message>(*this, gsi, std::move(trigger));
}

void InterruptRouter::Assert(uint32_t gsi) {
  MutexLock lock(mutex_);
  if (asserted_[gsi]++ > 0) return;
  if (absl::Status status = vm_.SetIrqLine(gsi, true); !status.ok()) {
    LOG(kError, "irq", "raise GSI %d: %s", gsi, std::string(status.message()));
  }
}

void InterruptRouter::Deassert(uint32_t gsi) {
  MutexLock lock(mutex_);
  if (--asserted_[gsi] > 0) return;
  if (absl::Status status = vm_.SetIrqLine(gsi, false); !status.ok()) {
    LOG(kError, "irq", "lower GSI %d: %s", gsi, std::string(status.message()));
  }
}

absl::Status InterruptRouter::SetMessage(uint32_t gsi, const MsiMessage& message) {
  MutexLock lock(mutex_);
  messages_[gsi] = message;
  return Publish();
}

void InterruptRouter::RemoveMessage(uint32_t gsi) {
  MutexLock lock(mutex_);
  messages_.erase(gsi);
  if (absl::Status status = Publish(); !status.ok()) {
    LOG(kWarning, "irq", "remove the route of GSI %d: %s", gsi, std::string(status.message()));
  }
}

absl::Status InterruptRouter::Publish() {
  std::vector<IrqRoute> routes = DefaultIrqRoutes();
  for (const auto& [gsi, message] : messages_) routes.push_back({gsi, message});
  return vm_.SetIrqRoutes(routes);
}

}  // namespace touchstone
