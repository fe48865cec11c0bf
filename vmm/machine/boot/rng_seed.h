// Entropy for a guest kernel's first random numbers.

#ifndef TOUCHSTONE_VMM_MACHINE_BOOT_RNG_SEED_H_
#define TOUCHSTONE_VMM_MACHINE_BOOT_RNG_SEED_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"

namespace touchstone {

inline constexpr size_t kRngSeedSize = 256;

// kRngSeedSize bytes of the host kernel's generator (getrandom(2)).
absl::StatusOr<std::vector<uint8_t>> MakeRngSeed();

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_BOOT_RNG_SEED_H_
