#include "vmm/machine/boot/memory_layout.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/checked_math.h"

namespace touchstone {
namespace {

// PCI Express 5.0, 7.2.2: a bus has 32 devices of 8 functions of 4 KiB.
constexpr uint64_t kEcamBusSize = kMiB;
constexpr uint64_t kEcamLargest = 256 * kEcamBusSize;
constexpr uint64_t kHighMmioAlignment = 2 * kMiB;
// Linux maps at most this much physical memory with four page-table levels.
constexpr int kMostPhysicalBits = 46;
// Less would not hold the BARs of a few virtio devices.
constexpr uint64_t kLeastHighMmio = kGiB;
constexpr uint64_t kLeastLowMmio = 16 * kMiB;

absl::Status CheckEcam(const MemoryRange& ecam) {
  const uint64_t start = Raw(ecam.start);
  const char* fault = nullptr;
  if (ecam.size == 0 || !IsAligned(start, kEcamBusSize) || !IsAligned(ecam.size, kEcamBusSize)) {
    fault = "is not made of whole buses of 1 MiB";
  } else if (ecam.size > kEcamLargest) {
    fault = "is larger than 256 MiB";
  } else if (!FitsWithin(start, ecam.size, Raw(kIoapicAddress))) {
    fault = "passes the IOAPIC at 0xfec00000";
  } else if (start < kMinimumRam) {
    fault = "leaves no room for RAM below it";
  }
  if (fault == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("--pci: ecam at %#x of %#x bytes %s", start, ecam.size, fault));
}

// The hole is what lies between RAM and the IOAPIC. The ECAM splits it; BARs get the larger part.
MemoryRange LargerPart(GuestAddress hole_start, const MemoryRange& ecam) {
  const MemoryRange below{hole_start, ecam.start - hole_start};
  const MemoryRange above{ecam.end(), kIoapicAddress - ecam.end()};
  return below.size >= above.size ? below : above;
}

}  // namespace

absl::StatusOr<MemoryLayout> MemoryLayout::Plan(const MemoryLayoutOptions& options) {
  if (absl::Status status = CheckEcam(options.ecam); !status.ok()) return status;
  const GuestAddress hole_start = std::min(options.hole_start, options.ecam.start);
  if (!IsAligned(Raw(hole_start), kGuestPageSize) || Raw(hole_start) < kMinimumRam) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "--pci: mem start %#x is not a page boundary from 2 MiB on", Raw(hole_start)));
  }
  if (options.ram_size < kMinimumRam || !IsAligned(options.ram_size, kGuestPageSize)) {
    return absl::InvalidArgumentError(absl::StrCat("--mem: ", options.ram_size,
                                                   " bytes of RAM are not whole pages from ",
                                                   kMinimumRam / kMiB, " MiB on"));
  }

  MemoryLayout layout;
  layout.physical_bits = std::min(options.physical_bits, kMostPhysicalBits);
  layout.low_ram = {GuestAddress{0}, std::min(options.ram_size, Raw(hole_start))};
  layout.high_ram = {kFourGiB, options.ram_size - layout.low_ram.size};
  layout.ecam = options.ecam;
  layout.low_mmio = LargerPart(hole_start, options.ecam);
  if (layout.low_mmio.size < kLeastLowMmio) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "--pci: mem start %#x and ecam at %#x leave only %#x bytes for the BARs below 4 GiB",
        Raw(hole_start), Raw(options.ecam.start), layout.low_mmio.size));
  }

  const uint64_t limit =
      layout.physical_bits < 32 ? 0 : uint64_t{1} << std::min(layout.physical_bits, 63);
  // Also refuses what overflows: the RAM is compared as a size, not as an end.
  if (limit <= Raw(kFourGiB) + kLeastHighMmio ||
      layout.high_ram.size > limit - Raw(kFourGiB) - kLeastHighMmio) {
    return absl::InvalidArgumentError(
        absl::StrCat("--mem: ", options.ram_size / kMiB, " MiB of RAM do not fit into the ",
                     layout.physical_bits, " bits of a guest-physical address"));
  }
  layout.high_mmio.start = GuestAddress{
      AlignDown(Raw(layout.high_ram.end()) + kHighMmioAlignment - 1, kHighMmioAlignment)};
  layout.high_mmio.size = limit - Raw(layout.high_mmio.start);
  return layout;
}

std::vector<GuestMemory::RegionSpec> MemoryLayout::RamRegions() const {
  std::vector<GuestMemory::RegionSpec> regions = {{low_ram.start, low_ram.size}};
  if (high_ram.size > 0) regions.push_back({high_ram.start, high_ram.size});
  return regions;
}

std::vector<E820Entry> MemoryLayout::E820(absl::Span<const MemoryRange> more_reserved) const {
  using Type = E820Entry::Type;
  std::vector<E820Entry> map = {
      {{GuestAddress{0}, Raw(kReservedLowStart)}, Type::kRam},
      {{kReservedLowStart, kHighMemoryStart - kReservedLowStart}, Type::kReserved},
      {{kHighMemoryStart, low_ram.end() - kHighMemoryStart}, Type::kRam},
      {ecam, Type::kReserved},
      {{kKvmIdentityMapAddress, 4 * kGuestPageSize}, Type::kReserved},
  };
  if (high_ram.size > 0) map.push_back({high_ram, Type::kRam});
  for (const MemoryRange& range : more_reserved) map.push_back({range, Type::kReserved});
  std::sort(map.begin(), map.end(),
            [](const E820Entry& a, const E820Entry& b) { return a.range.start < b.range.start; });
  return map;
}

}  // namespace touchstone
