// An IrqLine for tests and fuzzers: remembers the level and counts edges.

#ifndef TOUCHSTONE_DEVICES_IRQ_RECORDING_IRQ_LINE_H_
#define TOUCHSTONE_DEVICES_IRQ_RECORDING_IRQ_LINE_H_

#include <atomic>

#include "devices/irq/irq_line.h"

namespace touchstone {

class RecordingIrqLine final : public IrqLine {
 public:
  void Set(bool level) override {
    if (!level_.exchange(level) && level) ++rising_edges_;
  }

  [[nodiscard]] bool level() const { return level_; }
  [[nodiscard]] int rising_edges() const { return rising_edges_; }

 private:
  std::atomic<bool> level_{false};
  std::atomic<int> rising_edges_{0};
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_IRQ_RECORDING_IRQ_LINE_H_
