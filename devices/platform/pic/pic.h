// The two 8259A interrupt controllers of a PC (Intel 8259A data sheet; registers in
// pic_registers.h), the second on input 2 of the first.
//
//   Pic pic([&](bool level) { if (level) boot_vcpu.Kick(); });
//   bus.Insert({kPicPrimaryPort, kPicPortCount}, "PIC", &pic.primary());
//   pic.SetInput(4, true);                  // a device
//   if (pic.output()) vector = pic.Acknowledge();   // the processor's INTA cycles
//
// Thread-safe; output() takes no lock. Accesses wider than a byte are split, as an ISA bus does.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_PIC_PIC_H_
#define TOUCHSTONE_DEVICES_PLATFORM_PIC_PIC_H_

#include <atomic>
#include <cstdint>
#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "devices/bus/bus_device.h"
#include "devices/platform/pic/pic_chip.h"
#include "devices/platform/pic/pic_registers.h"

namespace touchstone {

struct PicState {
  PicChipState primary, secondary;

  bool operator==(const PicState&) const = default;
};

class Pic {
 public:
  static constexpr int kInputs = 2 * kPicInputs;

  // `on_output` is told when INTR, the primary's output, has changed. It is called under the
  // device's lock, on the thread that changed it, and must not call back.
  explicit Pic(std::function<void(bool level)> on_output);
  Pic(const Pic&) = delete;
  Pic& operator=(const Pic&) = delete;

  // Drives IRQ `input`; input 2, where the secondary is, ignores it. REQUIRES: 0 <= input <
  // kInputs.
  void SetInput(int input, bool level);

  // INTR.
  [[nodiscard]] bool output() const {
    return output_.load(std::memory_order_acquire);
  }  // of what was set before it rose

  // The two INTA cycles: the vector of the most urgent request. Without a request it is a spurious
  // one (data sheet, "default IR7").
  uint8_t Acknowledge();

  // The devices at the three places of the port bus.
  [[nodiscard]] BusDevice& primary() { return primary_ports_; }
  [[nodiscard]] BusDevice& secondary() { return secondary_ports_; }
  [[nodiscard]] BusDevice& trigger() { return trigger_ports_; }

  [[nodiscard]] PicState Save();
  // Takes over `state`, or changes nothing: InvalidArgument when no PICs can be in that state.
  absl::Status Restore(const PicState& state);

 private:
  enum class Place { kPrimary, kSecondary, kTrigger };
  class Ports final : public BusDevice {
   public:
    Ports(Pic& pic, Place place) : pic_(pic), place_(place) {}
    void Read(uint64_t offset, absl::Span<uint8_t> data) override;
    void Write(uint64_t offset, absl::Span<const uint8_t> data) override;

   private:
    Pic& pic_;
    const Place place_;
  };

  uint8_t ReadPort(Place place, uint64_t offset) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WritePort(Place place, uint64_t offset, uint8_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Hands the secondary's output on, and the primary's.
  void Settle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::function<void(bool level)> on_output_;
  Ports primary_ports_{*this, Place::kPrimary};
  Ports secondary_ports_{*this, Place::kSecondary};
  Ports trigger_ports_{*this, Place::kTrigger};
  std::atomic<bool> output_{false};

  Mutex mutex_;
  PicChip primary_ ABSL_GUARDED_BY(mutex_);
  PicChip secondary_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_PIC_PIC_H_
