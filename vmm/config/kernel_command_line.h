// The kernel command line that a configuration makes (crosvm.md 7.5).

#ifndef TOUCHSTONE_VMM_CONFIG_KERNEL_COMMAND_LINE_H_
#define TOUCHSTONE_VMM_CONFIG_KERNEL_COMMAND_LINE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "vmm/config/config.pb.h"

namespace touchstone {

// Longer lines are refused: Linux cuts at 2048 bytes, its terminating zero included.
inline constexpr size_t kMaxKernelCommandLine = 2047;

// An address with as many digits as any: for who does not know where the store of --pstore is.
inline constexpr uint64_t kFarthestPstore = (uint64_t{1} << 52) - 4096;

// panic=-1, console= of each console device, earlycon=, then the user's --params in their order,
// root= of the disk that is the root, where the store of --pstore is for the ramoops driver, and
// the pool of --swiotlb; joined by spaces. Refuses anything but printable ASCII.
// REQUIRES: defaults have been applied to `config`.
absl::StatusOr<std::string> KernelCommandLine(const RunConfig& config,
                                              uint64_t pstore_address = kFarthestPstore);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_KERNEL_COMMAND_LINE_H_
