#include "vmm/machine/boot/boot_msrs.h"

#include <algorithm>

#include "base/bits.h"
#include "base/checked_math.h"

namespace touchstone {
namespace {

// Intel SDM volume 4, table 2-2.
constexpr uint32_t kMiscEnable = 0x1A0;
constexpr uint64_t kMiscEnableFastStrings = Bit<uint64_t>(0);
constexpr uint64_t kMiscEnableNoBranchTrace = Bit<uint64_t>(11);
constexpr uint64_t kMiscEnableNoPebs = Bit<uint64_t>(12);

// SDM volume 3, 12.11.2: MTRRs. There are eight pairs (KVM reports so in IA32_MTRRCAP).
constexpr uint32_t kMtrrDefaultType = 0x2FF;
constexpr uint64_t kMtrrEnable = Bit<uint64_t>(11);
constexpr uint64_t kTypeWriteBack = 6;
constexpr uint64_t kTypeUncached = 0;
constexpr uint32_t kMtrrFirstBase = 0x200;
constexpr uint32_t kMtrrFirstMask = 0x201;
constexpr uint64_t kMtrrMaskValid = Bit<uint64_t>(11);
constexpr uint32_t kMtrrPairs = 8;

}  // namespace

std::vector<Msr> BootMsrs(const MemoryLayout& layout) {
  std::vector<Msr> msrs = {
      {kMiscEnable, kMiscEnableFastStrings | kMiscEnableNoBranchTrace | kMiscEnableNoPebs},
      {kMtrrDefaultType, kMtrrEnable | kTypeWriteBack},
  };
  const uint64_t hole = Raw(std::min(layout.low_mmio.start, layout.ecam.start));
  const uint64_t physical_mask = Mask<uint64_t>(layout.physical_bits - 1, 0);
  // A pair covers a power of two that is aligned to itself: from 4 GiB down, the largest first.
  uint64_t end = Raw(kFourGiB);
  for (uint32_t pair = 0; pair < kMtrrPairs && end > hole; ++pair) {
    uint64_t size = end & -end;
    while (size > end - hole) size /= 2;
    end -= size;
    msrs.push_back({kMtrrFirstBase + 2 * pair, end | kTypeUncached});
    msrs.push_back({kMtrrFirstMask + 2 * pair, (~(size - 1) & physical_mask) | kMtrrMaskValid});
  }
  return msrs;
}

}  // namespace touchstone
