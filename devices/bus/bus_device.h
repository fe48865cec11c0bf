// What answers at an address range, ports and MMIO alike.

#ifndef TOUCHSTONE_DEVICES_BUS_BUS_DEVICE_H_
#define TOUCHSTONE_DEVICES_BUS_BUS_DEVICE_H_

#include <cstdint>

#include "absl/types/span.h"

namespace touchstone {

// Thread-safe: any vCPU may call at any moment, several at once. Calls are short and never block.
class BusDevice {
 public:
  virtual ~BusDevice() = default;

  // A read of `data.size()` bytes (1 to 8, any alignment) at `offset` from the start of the range;
  // the whole access lies inside it. `data` comes filled with 0xFF, which is what a width or
  // register that the device does not have leaves there.
  virtual void Read(uint64_t offset, absl::Span<uint8_t> data) = 0;

  // A write; what the device does not have is ignored.
  virtual void Write(uint64_t offset, absl::Span<const uint8_t> data) = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_BUS_BUS_DEVICE_H_
