// Where a PCI function sits: domain, bus, device and function.

#ifndef TOUCHSTONE_DEVICES_PCI_PCI_ADDRESS_H_
#define TOUCHSTONE_DEVICES_PCI_PCI_ADDRESS_H_

#include <compare>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace touchstone {

// Plain data. PCI Local Bus 3.0, 3.2.2.3: 256 buses of 32 devices of 8 functions in each domain.
struct PciAddress {
  uint16_t domain = 0;
  uint8_t bus = 0;
  uint8_t device = 0;    // 0 to 31.
  uint8_t function = 0;  // 0 to 7.

  // Reads "[DDDD:]BB:DD.F", all hexadecimal, leading zeros optional. InvalidArgument, naming the
  // text, for anything else or out of range.
  static absl::StatusOr<PciAddress> Parse(absl::string_view text);

  // "00:1f.7", or "0001:00:1f.7" outside domain 0.
  [[nodiscard]] std::string ToString() const;

  // Device and function in one byte, as in configuration requests.
  [[nodiscard]] constexpr uint8_t devfn() const {
    return static_cast<uint8_t>(device << 3 | function);
  }

  friend constexpr auto operator<=>(const PciAddress&, const PciAddress&) = default;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PCI_PCI_ADDRESS_H_
