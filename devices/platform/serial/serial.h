// A 16550A UART: eight ports and one interrupt output (National Semiconductor PC16550D data sheet;
// register map in serial_registers.h).
//
//   Serial com1(output, input, irq4);
//   bus.Insert(kSerialPorts[0].port, kSerialPortCount, com1);
//
// What differs from the chip, because there is no line:
//
// - Transmission is immediate: a byte written to THR is with `output` when the write returns, and
//   THR is empty again. Only when the output is congested (its consumer stalls) do THRE and TEMT
//   read 0, and the THR-empty interrupt waits, until there is room. A stock driver then waits as it
//   would for a slow line; nothing is lost and no vCPU is blocked. Bytes written without regard
//   to THRE are dropped by a full output.
// - The character time-out is immediate too: bytes below the trigger level raise it at once, for
//   what the host has not sent so far may never come. It stays until RBR was read empty.
// - Word length, parity, stop bits, break and the baud rate are kept, read back, and change
//   nothing. There are no parity, framing or break errors. An overrun happens in loopback only.
// - The modem inputs outside loopback are CTS, DSR and DCD on, RI off.
// - OUT2 does not gate the interrupt, in which crosvm and other emulators agree: guests without
//   that line of code work here and nowhere else breaks.
//
// Receiving: the host's bytes stay with the host until the guest wants them. The receiver is open
// while IER enables receive interrupts, and for a guest that polls, once it has read LSR
// kPollsToListen times in a row since its last write and found nothing to do. A boot loader's
// loop is open after a microsecond; Linux printing its kernel log through LSR polls is not, so what
// was typed or piped in early is not lost when its driver starts by clearing the FIFO. (crosvm
// opens at the first read of any register.) The FIFO is refilled when the guest reads from it,
// never beyond its 16 bytes (1 with FIFOs off): known-escapes.md KE-38. What the guest has not read
// goes back to the host when the receiver closes and when the FIFO is cleared: a driver that probes
// writes all of IER for a moment, and one that starts clears the FIFO to be rid of what a line may
// have left there, but here there is no line, and the bytes are somebody's input. So only reading
// RBR consumes a byte.
//
// Accesses wider than a byte are split into bytes at ascending offsets, as an ISA bus does.
//
// Thread-safe. Neither owns nor outlives its output, input and line. Destroyed on the loop's thread
// or while the loop does not run.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_SERIAL_SERIAL_H_
#define TOUCHSTONE_DEVICES_PLATFORM_SERIAL_SERIAL_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "devices/bus/bus_device.h"
#include "devices/irq/irq_line.h"
#include "devices/platform/serial/serial_input.h"
#include "devices/platform/serial/serial_output.h"
#include "devices/platform/serial/serial_registers.h"

namespace touchstone {

// What the guest can tell of a Serial. Equal states behave alike.
struct SerialState {
  uint8_t interrupt_enable = 0;               // IER
  uint8_t fifo_control = 0;                   // FCR: kFcrEnable, kFcrDmaMode and the trigger
  uint8_t line_control = kSerialInitialLcr;   // LCR
  uint8_t modem_control = kSerialInitialMcr;  // MCR
  uint8_t modem_deltas = 0;                   // low half of MSR
  uint8_t scratch = 0;                        // SCR
  uint16_t divisor = kSerialInitialDivisor;   // DLM:DLL
  bool overrun = false;                       // LSR overrun
  bool transmit_interrupt = false;            // the THR-empty interrupt is due
  bool listening = false;                     // a polling guest has opened the receiver
  uint8_t idle_polls = 0;                     // LSR reads that count towards that
  std::vector<uint8_t> received;              // oldest first
  uint8_t looped = 0;                         // how many of them the guest sent in loopback

  bool operator==(const SerialState&) const = default;
};

class Serial final : public BusDevice {
 public:
  static constexpr uint8_t kPollsToListen = 8;

  Serial(SerialOutput& output, SerialInput& input, IrqLine& irq);
  ~Serial() override;

  void Read(uint64_t offset, absl::Span<uint8_t> data) override;
  void Write(uint64_t offset, absl::Span<const uint8_t> data) override;

  [[nodiscard]] SerialState Save() const;
  // Takes over `state`, or changes nothing: InvalidArgument when no Serial can be in that state.
  absl::Status Restore(const SerialState& state);

 private:
  // The receive FIFO. `size` is at most kSerialFifoSize.
  struct Fifo {
    std::array<uint8_t, kSerialFifoSize> bytes{};
    size_t first = 0;
    size_t size = 0;

    void Push(uint8_t byte) { bytes[(first + size++) % kSerialFifoSize] = byte; }
    uint8_t Pop() {
      const uint8_t byte = bytes[first];
      first = (first + 1) % kSerialFifoSize;
      --size;
      return byte;
    }
  };

  uint8_t ReadRegister(uint64_t offset) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteRegister(uint64_t offset, uint8_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  uint8_t ReadReceive() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint8_t ReadInterruptId() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint8_t ReadLineStatus() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint8_t ReadModemStatus() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteTransmit(uint8_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteInterruptEnable(uint8_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteFifoControl(uint8_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteModemControl(uint8_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  [[nodiscard]] bool fifos_on() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] bool loopback() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] bool receiver_open() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] size_t receive_capacity() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] uint8_t modem_inputs() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The interrupt of highest priority, as in IIR; kIirNone when there is none.
  [[nodiscard]] uint8_t PendingInterrupt() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // When the receiver is open, takes what the input has and the FIFO has room for; else gives back
  // what it has.
  void Fill() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void GiveBack() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Puts the interrupt output to what the registers say.
  void UpdateIrq() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void InputArrived();
  void OutputReady();

  SerialOutput& output_;
  SerialInput& input_;
  IrqLine& irq_;

  mutable Mutex mutex_;
  uint8_t interrupt_enable_ ABSL_GUARDED_BY(mutex_) = 0;
  uint8_t fifo_control_ ABSL_GUARDED_BY(mutex_) = 0;
  uint8_t line_control_ ABSL_GUARDED_BY(mutex_) = kSerialInitialLcr;
  uint8_t modem_control_ ABSL_GUARDED_BY(mutex_) = kSerialInitialMcr;
  uint8_t modem_deltas_ ABSL_GUARDED_BY(mutex_) = 0;
  uint8_t scratch_ ABSL_GUARDED_BY(mutex_) = 0;
  uint16_t divisor_ ABSL_GUARDED_BY(mutex_) = kSerialInitialDivisor;
  bool overrun_ ABSL_GUARDED_BY(mutex_) = false;
  bool transmit_interrupt_ ABSL_GUARDED_BY(mutex_) = false;
  bool listening_ ABSL_GUARDED_BY(mutex_) = false;
  uint8_t idle_polls_ ABSL_GUARDED_BY(mutex_) = 0;
  Fifo received_ ABSL_GUARDED_BY(mutex_);
  // The oldest bytes there are the guest's own, from loopback.
  size_t looped_ ABSL_GUARDED_BY(mutex_) = 0;

  // The host's side, not part of the state.
  bool transmitter_ready_ ABSL_GUARDED_BY(mutex_) = true;
  bool input_begun_ ABSL_GUARDED_BY(mutex_) = false;
  bool irq_level_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_SERIAL_SERIAL_H_
