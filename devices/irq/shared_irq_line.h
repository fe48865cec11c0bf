// Several devices on one interrupt input: a wired OR, as PCI's INTx# lines are.
//
//   SharedIrqLine line(gsi9);
//   IrqLine& a = line.AddInput();
//   IrqLine& b = line.AddInput();
//
// The output is high while any input is (PCI Local Bus 3.0, 2.2.6: level sensitive, shared).
//
// Ownership: the output is borrowed, the inputs belong to the line. Thread-safe.

#ifndef TOUCHSTONE_DEVICES_IRQ_SHARED_IRQ_LINE_H_
#define TOUCHSTONE_DEVICES_IRQ_SHARED_IRQ_LINE_H_

#include <list>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "devices/irq/irq_line.h"

namespace touchstone {

class SharedIrqLine {
 public:
  explicit SharedIrqLine(IrqLine& output) : output_(output) {}
  SharedIrqLine(const SharedIrqLine&) = delete;
  SharedIrqLine& operator=(const SharedIrqLine&) = delete;

  // A new input, low; valid for as long as this line.
  IrqLine& AddInput();

 private:
  class Input final : public IrqLine {
   public:
    explicit Input(SharedIrqLine& line) : line_(line) {}
    void Set(bool level) override { line_.SetInput(*this, level); }

   private:
    friend class SharedIrqLine;
    SharedIrqLine& line_;
    bool level_ = false;  // Guarded by the line's mutex.
  };

  void SetInput(Input& input, bool level);

  IrqLine& output_;
  Mutex mutex_;
  std::list<Input> inputs_ ABSL_GUARDED_BY(mutex_);
  int high_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_IRQ_SHARED_IRQ_LINE_H_
