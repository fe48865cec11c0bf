// An MsiTarget for tests and fuzzers: its routes hold real eventfds, and it tells which messages
// were signalled.

#ifndef TOUCHSTONE_DEVICES_IRQ_RECORDING_MSI_TARGET_H_
#define TOUCHSTONE_DEVICES_IRQ_RECORDING_MSI_TARGET_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "base/status.h"
#include "devices/irq/msi_target.h"

namespace touchstone {

// Thread-safe. Must outlive its routes.
class RecordingMsiTarget final : public MsiTarget {
 public:
  struct Message {
    uint64_t address = 0;
    uint32_t data = 0;

    friend bool operator==(const Message&, const Message&) = default;
  };

  // Gives no more than `capacity` routes at a time.
  explicit RecordingMsiTarget(size_t capacity = 4096) : capacity_(capacity) {}

  absl::StatusOr<std::unique_ptr<MsiRoute>> Route(uint64_t address, uint32_t data) override {
    ASSIGN_OR_RETURN(EventFd trigger, EventFd::Create());
    MutexLock lock(mutex_);
    if (routes_.size() >= capacity_) return absl::ResourceExhaustedError("no more routes");
    auto route = std::make_unique<Recorded>(*this, Message{address, data}, std::move(trigger));
    routes_.push_back(route.get());
    return route;
  }

  // The messages signalled since the last call, in the order in which their routes were made; each
  // as often as it was signalled.
  std::vector<Message> Drain() {
    MutexLock lock(mutex_);
    std::vector<Message> messages;
    for (const Recorded* route : routes_) {
      messages.insert(messages.end(), route->trigger().Drain(), route->message_);
    }
    return messages;
  }

  [[nodiscard]] size_t route_count() const {
    MutexLock lock(mutex_);
    return routes_.size();
  }
  // How often a route's message was changed.
  [[nodiscard]] int updates() const {
    MutexLock lock(mutex_);
    return updates_;
  }

 private:
  class Recorded final : public MsiRoute {
   public:
    Recorded(RecordingMsiTarget& target, Message message, EventFd trigger)
        : target_(target), message_(message), trigger_(std::move(trigger)) {}
    ~Recorded() override {
      MutexLock lock(target_.mutex_);
      std::erase(target_.routes_, this);
    }
    [[nodiscard]] const EventFd& trigger() const override { return trigger_; }
    absl::Status Update(uint64_t address, uint32_t data) override {
      MutexLock lock(target_.mutex_);
      message_ = {address, data};
      ++target_.updates_;
      return absl::OkStatus();
    }

   private:
    friend class RecordingMsiTarget;
    RecordingMsiTarget& target_;
    Message message_;  // Guarded by the target's mutex.
    const EventFd trigger_;
  };

  const size_t capacity_;
  mutable Mutex mutex_;
  std::vector<Recorded*> routes_ ABSL_GUARDED_BY(mutex_);
  int updates_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_IRQ_RECORDING_MSI_TARGET_H_
