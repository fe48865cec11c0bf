// An interrupt input of the machine, as one device sees it.

#ifndef TOUCHSTONE_DEVICES_IRQ_IRQ_LINE_H_
#define TOUCHSTONE_DEVICES_IRQ_IRQ_LINE_H_

namespace touchstone {

// Thread-safe. The machine implements it over the hypervisor, tests record it
// (recording_irq_line.h).
class IrqLine {
 public:
  virtual ~IrqLine() = default;

  // Drives the line. Whether a rising edge or the level interrupts is the interrupt controller's
  // business; a device sets what its own interrupt output would be.
  virtual void Set(bool level) = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_IRQ_IRQ_LINE_H_
