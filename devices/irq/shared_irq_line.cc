#include "devices/irq/shared_irq_line.h"

namespace touchstone {

IrqLine& SharedIrqLine::AddInput() {
  MutexLock lock(mutex_);
  return inputs_.emplace_back(*this);
}

void SharedIrqLine::SetInput(Input& input, bool level) {
  MutexLock lock(mutex_);
  if (input.level_ == level) return;
  input.level_ = level;
  high_ += level ? 1 : -1;
  // Under the lock, so that the output sees the changes in the order in which they were counted.
  if (high_ == (level ? 1 : 0)) output_.Set(level);
}

}  // namespace touchstone
