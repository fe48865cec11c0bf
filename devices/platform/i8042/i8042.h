// What a PC's keyboard controller is still asked for where there is no keyboard: the reset line.
//
//   port  read                               write
//   0x60  0xff (no data)                     ignored
//   0x61  0x20 (timer 2's output is high)    ignored
//   0x62, 0x63  0xff                         ignored
//   0x64  status                             0xfe: reset; other commands ignored
//
// (crosvm.md 5.22.) The status is 0, nothing in either buffer, or kNoAnswer. Port 0x61 belongs to
// the PIT when that one owns the speaker: the machine then inserts the stub at kFirstPortBesidePit.
// The firmware tables say that there is no controller (FADT, IAPC_BOOT_ARCH: 8042 clear), for a
// driver that probes one waits seconds for answers.
//
// Only byte accesses exist. Thread-safe. Without state: there is nothing to save.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_I8042_I8042_H_
#define TOUCHSTONE_DEVICES_PLATFORM_I8042_I8042_H_

#include <cstdint>
#include <functional>

#include "absl/types/span.h"
#include "devices/bus/bus_device.h"

namespace touchstone {

class I8042 final : public BusDevice {
 public:
  static constexpr uint16_t kDataPort = 0x60;
  static constexpr uint16_t kSystemControlPort = 0x61;
  static constexpr uint16_t kCommandPort = 0x64;  // status, on read
  static constexpr uint8_t kTimer2Output = 0x20;  // in kSystemControlPort
  static constexpr uint8_t kPulseReset = 0xfe;    // command: pulses the processor's reset line

  // Status: a parity error and a time-out. EDK2 takes that for no keyboard; without it, it waits
  // for one four seconds, several times.
  static constexpr uint8_t kNoAnswer = 0xc0;

  static constexpr uint16_t kFirstPort = kSystemControlPort;
  static constexpr uint16_t kFirstPortBesidePit = 0x62;
  static constexpr uint16_t kLastPort = kCommandPort;

  // Answers from `first_port` on, with that status. `on_reset` is called on the vCPU's thread that
  // asks for the reset, each time it does; it must be thread-safe.
  I8042(uint16_t first_port, uint8_t status, std::function<void()> on_reset);

  void Read(uint64_t offset, absl::Span<uint8_t> data) override;
  void Write(uint64_t offset, absl::Span<const uint8_t> data) override;

 private:
  const uint16_t first_port_;
  const uint8_t status_;
  const std::function<void()> on_reset_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_I8042_I8042_H_
