// Ranges of guest addresses as options write them (crosvm.md 1.2 rows 62 and 78, 1.5).

#ifndef TOUCHSTONE_VMM_CONFIG_ADDRESS_RANGES_H_
#define TOUCHSTONE_VMM_CONFIG_ADDRESS_RANGES_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace touchstone {

struct ConfiguredRange {
  uint64_t start = 0;
  uint64_t size = 0;

  bool operator==(const ConfiguredRange&) const = default;
};

// "BASE,LENGTH" of --pcie-ecam. A length over 256 MiB counts as 256 MiB; both are multiples of
// 1 MiB, the base is one of the length, and the end is below 4 GiB. InvalidArgument, saying which
// of these is wrong, for anything else.
absl::StatusOr<ConfiguredRange> ParseEcam(absl::string_view text);

// "START-END[,START-END...]" of --mmio-address-range, ends included. InvalidArgument, saying what
// is accepted, for anything else.
absl::StatusOr<std::vector<ConfiguredRange>> ParseAddressRanges(absl::string_view text);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_ADDRESS_RANGES_H_
