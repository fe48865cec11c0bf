// The interrupt side of a fake VM: routes, lines and irqfds, with a record of what reached the
// guest's interrupt controllers.
//
// Nothing happens behind the test's back: a signalled irqfd becomes an interrupt when Poll is
// called. Thread-safe.

#ifndef TOUCHSTONE_HYPERVISOR_FAKE_FAKE_IRQ_CHIP_H_
#define TOUCHSTONE_HYPERVISOR_FAKE_FAKE_IRQ_CHIP_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/event_fd.h"
#include "base/mutex.h"
#include "hypervisor/vm.h"

namespace touchstone {

// What an interrupt controller saw: a pin that changed or a message.
struct FakeInterrupt {
  // None for a message that was signalled directly.
  std::optional<uint32_t> gsi;
  std::variant<IrqRoute::Pin, MsiMessage> target;
  bool level = true;

  bool operator==(const FakeInterrupt&) const = default;
};

class FakeIrqChip {
 public:
  // Starts with DefaultIrqRoutes(), as KVM does.
  FakeIrqChip();

  // From now on there are local APICs alone: no routes yet, and none but messages.
  void Split();

  absl::Status AddIrqFd(uint32_t gsi, const EventFd& trigger, const EventFd* resample);
  absl::Status RemoveIrqFd(uint32_t gsi, const EventFd& trigger);
  absl::Status SetRoutes(absl::Span<const IrqRoute> routes);
  void SetLine(uint32_t gsi, bool level);
  // False, and nothing is recorded, once set_accepts_messages(false) was called.
  bool SignalMsi(const MsiMessage& message);
  void set_accepts_messages(bool accepts);

  // Turns each signalled irqfd into an interrupt (one, however often it was signalled): an edge, or
  // a raised line when it resamples. Returns how many there were.
  size_t Poll();
  // The guest is done with `gsi`: lowers the lines that resampling irqfds raised and signals their
  // resample events.
  void EndOfInterrupt(uint32_t gsi);

  // What happened since the last call, in order.
  std::vector<FakeInterrupt> TakeInterrupts();
  // The level that the GSI's input has.
  [[nodiscard]] bool line(uint32_t gsi) const;
  [[nodiscard]] std::vector<IrqRoute> routes() const;
  [[nodiscard]] size_t irq_fd_count() const;

 private:
  struct IrqFd {
    uint32_t gsi;
    // The caller's, to recognise it at Remove.
    int caller_fd;
    EventFd trigger;
    std::optional<EventFd> resample;
    bool raised = false;
  };

  void Deliver(uint32_t gsi, bool level) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  std::vector<IrqRoute> routes_ ABSL_GUARDED_BY(mutex_);
  std::vector<IrqFd> irq_fds_ ABSL_GUARDED_BY(mutex_);
  std::map<uint32_t, bool> lines_ ABSL_GUARDED_BY(mutex_);
  std::vector<FakeInterrupt> interrupts_ ABSL_GUARDED_BY(mutex_);
  bool split_ ABSL_GUARDED_BY(mutex_) = false;
  bool accepts_messages_ ABSL_GUARDED_BY(mutex_) = true;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_FAKE_FAKE_IRQ_CHIP_H_
