// The Bochs debug port: a byte written is a byte of output, and reading tells that it is there
// (crosvm.md 5.22). Firmware logs there.
//
//   Debugcon debugcon(output);
//   bus.Insert(Debugcon::kDefaultPort, 1, debugcon);
//
// Only byte accesses exist. There is no flow control: what a stalled output has no room for is
// dropped (serial_output.h). Thread-safe. Without state. Does not own its output.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_DEBUGCON_DEBUGCON_H_
#define TOUCHSTONE_DEVICES_PLATFORM_DEBUGCON_DEBUGCON_H_

#include <cstdint>

#include "absl/types/span.h"
#include "devices/bus/bus_device.h"
#include "devices/platform/serial/serial_output.h"

namespace touchstone {

class Debugcon final : public BusDevice {
 public:
  static constexpr uint16_t kDefaultPort = 0x402;
  static constexpr uint8_t kSignature = 0xe9;  // what a read returns

  explicit Debugcon(SerialOutput& output) : output_(output) {}

  void Read(uint64_t offset, absl::Span<uint8_t> data) override {
    if (offset == 0 && data.size() == 1) data[0] = kSignature;
  }
  void Write(uint64_t offset, absl::Span<const uint8_t> data) override {
    if (offset == 0 && data.size() == 1) output_.Write(data);
  }

 private:
  SerialOutput& output_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_DEBUGCON_DEBUGCON_H_
