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

// SeaBIOS and OVMF begin here where there is no RAM.
constexpr GuestAddress kFirmwareBarsStart{2 * kGiB};

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
      absl::StrFormat("--pcie-ecam: %#x of %#x bytes %s", start, ecam.size, fault));
}

// The hole is what lies between RAM and the IOAPIC. The ECAM splits it; BARs get the larger part.
MemoryRange LargerPart(GuestAddress hole_start, const MemoryRange& ecam) {
  const MemoryRange below{hole_start, ecam.start - hole_start};
  const MemoryRange above{ecam.end(), kIoapicAddress - ecam.end()};
  return below.size >= above.size ? below : above;
}

bool ByStart(const MemoryRange& a, const MemoryRange& b) { return a.start < b.start; }

bool Overlap(const MemoryRange& a, const MemoryRange& b) {
  return a.start < b.end() && b.start < a.end();
}

// `range` without `holes`, which are sorted.
std::vector<MemoryRange> Without(MemoryRange range, absl::Span<const MemoryRange> holes) {
  std::vector<MemoryRange> parts;
  const GuestAddress end = range.end();
  for (const MemoryRange& hole : holes) {
    if (!Overlap(hole, range)) continue;
    if (hole.start > range.start) parts.push_back({range.start, hole.start - range.start});
    range.start = std::min(hole.end(), end);
    range.size = end - range.start;
  }
  if (range.size > 0) parts.push_back(range);
  return parts;
}

// Sorts them. The limit is the end of the guest's physical addresses.
absl::Status CheckHoles(std::vector<MemoryRange>& holes, const MemoryLayout& layout,
                        uint64_t limit) {
  const MemoryRange fixed = {kIoapicAddress, kFourGiB - kIoapicAddress};
  std::sort(holes.begin(), holes.end(), ByStart);
  for (size_t i = 0; i < holes.size(); ++i) {
    const MemoryRange& hole = holes[i];
    const char* fault = nullptr;
    if (hole.size == 0 || !IsAligned(Raw(hole.start), kGuestPageSize) ||
        !IsAligned(hole.size, kGuestPageSize)) {
      fault = "is not made of whole pages of 4096 bytes";
    } else if (hole.start < kHighMemoryStart) {
      fault = "is below 1 MiB";
    } else if (!FitsWithin(Raw(hole.start), hole.size, limit)) {
      fault = "passes the end of the guest's physical addresses";
    } else if (Overlap(hole, layout.ecam) || Overlap(hole, fixed) ||
               (layout.pstore.size > 0 && Overlap(hole, layout.pstore))) {
      fault = "is where the ECAM, the interrupt controllers or the persistent store are";
    } else if (i > 0 && Overlap(hole, holes[i - 1])) {
      fault = "overlaps another";
    }
    if (fault == nullptr) continue;
    return absl::InvalidArgumentError(absl::StrFormat("--file-backed-mapping: %#x of %#x bytes %s",
                                                      Raw(hole.start), hole.size, fault));
  }
  return absl::OkStatus();
}

// REQUIRES: far from the end of the address space.
GuestAddress AlignUpForHighMmio(GuestAddress address) {
  return GuestAddress{AlignDown(Raw(address) + kHighMmioAlignment - 1, kHighMmioAlignment)};
}

}  // namespace

absl::StatusOr<MemoryLayout> MemoryLayout::Plan(const MemoryLayoutOptions& options) {
  if (absl::Status status = CheckEcam(options.ecam); !status.ok()) return status;
  const GuestAddress hole_start = std::min(options.hole_start, options.ecam.start);
  if (!IsAligned(Raw(hole_start), kGuestPageSize) || Raw(hole_start) < kMinimumRam) {
    return absl::InvalidArgumentError(
        absl::StrFormat("--pci-start: %#x is not a page boundary from 2 MiB on", Raw(hole_start)));
  }
  if (options.ram_size < kMinimumRam || !IsAligned(options.ram_size, kGuestPageSize)) {
    return absl::InvalidArgumentError(absl::StrCat("--mem: ", options.ram_size,
                                                   " bytes of RAM are not whole pages from ",
                                                   kMinimumRam / kMiB, " MiB on"));
  }

  if (!IsAligned(options.pstore_size, kGuestPageSize)) {
    return absl::InvalidArgumentError(absl::StrCat("--pstore: size=", options.pstore_size,
                                                   " is not made of whole pages of 4096 bytes"));
  }

  MemoryLayout layout;
  layout.physical_bits = std::min(options.physical_bits, kMostPhysicalBits);
  layout.low_ram = {GuestAddress{0}, std::min(options.ram_size, Raw(hole_start))};
  layout.high_ram = {kFourGiB, options.ram_size - layout.low_ram.size};
  layout.ecam = options.ecam;
  layout.low_mmio = LargerPart(hole_start, options.ecam);
  if (layout.low_mmio.size < kLeastLowMmio) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "--pci-start: %#x and the ECAM at %#x leave only %#x bytes for the BARs below 4 GiB",
        Raw(hole_start), Raw(options.ecam.start), layout.low_mmio.size));
  }

  const uint64_t limit =
      layout.physical_bits < 32 ? 0 : uint64_t{1} << std::min(layout.physical_bits, 63);
  // Also refuses what overflows: the RAM is compared as a size, not as an end.
  const uint64_t other = Raw(kFourGiB) + kLeastHighMmio;
  if (limit <= other || layout.high_ram.size > limit - other) {
    return absl::InvalidArgumentError(
        absl::StrCat("--mem: ", options.ram_size / kMiB, " MiB of RAM do not fit into the ",
                     layout.physical_bits, " bits of a guest-physical address"));
  }
  const uint64_t free = limit - other - layout.high_ram.size;
  if (options.pstore_size > free) {
    return absl::InvalidArgumentError(
        absl::StrCat("--pstore: size=", options.pstore_size, " is more than the ", free,
                     " bytes that the guest's physical addresses leave for it"));
  }
  layout.pstore = {AlignUpForHighMmio(layout.high_ram.end()), options.pstore_size};
  layout.high_mmio.start = AlignUpForHighMmio(layout.pstore.end());
  layout.high_mmio.size = limit - Raw(layout.high_mmio.start);

  layout.holes = options.holes;
  if (absl::Status status = CheckHoles(layout.holes, layout, limit); !status.ok()) return status;
  layout.firmware_places_bars = options.firmware_places_bars;
  layout.ram_in_holes = options.ram_in_holes;
  layout.without_bars = options.without_bars;
  layout.without_bars.insert(layout.without_bars.end(), layout.holes.begin(), layout.holes.end());
  std::sort(layout.without_bars.begin(), layout.without_bars.end(), ByStart);
  return layout;
}

GuestAddress MemoryLayout::BootRamEnd() const { return Without(low_ram, holes).front().end(); }

std::vector<MemoryRange> MemoryLayout::LowBarWindows() const {
  if (!firmware_places_bars) return Without(low_mmio, without_bars);
  const GuestAddress start = std::max(low_ram.end(), kFirmwareBarsStart);
  std::vector<MemoryRange> windows;
  for (const MemoryRange& part :
       Without({start, kIoapicAddress - start}, absl::MakeConstSpan(&ecam, 1))) {
    const std::vector<MemoryRange> free = Without(part, without_bars);
    windows.insert(windows.end(), free.begin(), free.end());
  }
  return windows;
}

std::vector<MemoryRange> MemoryLayout::HighBarWindows() const {
  return Without(high_mmio, without_bars);
}

std::vector<GuestMemory::RegionSpec> MemoryLayout::RamRegions() const {
  std::vector<GuestMemory::RegionSpec> regions;
  for (const MemoryRange& ram : {low_ram, high_ram}) {
    for (const MemoryRange& part : Without(ram, holes)) regions.push_back({part.start, part.size});
  }
  return regions;
}

std::vector<E820Entry> MemoryLayout::E820(absl::Span<const MemoryRange> more_reserved) const {
  using Type = E820Entry::Type;
  std::vector<E820Entry> map = {
      {{GuestAddress{0}, Raw(kReservedLowStart)}, Type::kRam},
      {{kReservedLowStart, kHighMemoryStart - kReservedLowStart}, Type::kReserved},
      {ecam, Type::kReserved},
      {{kKvmIdentityMapAddress, 4 * kGuestPageSize}, Type::kReserved},
  };
  const MemoryRange high_memory = {kHighMemoryStart, low_ram.end() - kHighMemoryStart};
  for (const MemoryRange& ram : {high_memory, high_ram}) {
    for (const MemoryRange& part : Without(ram, holes)) map.push_back({part, Type::kRam});
  }
  for (const MemoryRange& hole : holes) {
    const bool ram =
        std::find(ram_in_holes.begin(), ram_in_holes.end(), hole) != ram_in_holes.end();
    map.push_back({hole, ram ? Type::kRam : Type::kReserved});
  }
  for (const MemoryRange& range : more_reserved) map.push_back({range, Type::kReserved});
  std::sort(map.begin(), map.end(),
            [](const E820Entry& a, const E820Entry& b) { return a.range.start < b.range.start; });
  return map;
}

std::vector<E820Entry> MemoryLayout::FirmwareE820() const {
  std::vector<E820Entry> map = E820();
  std::erase_if(map, [](const E820Entry& entry) { return entry.range.end() <= kHighMemoryStart; });
  // The first is RAM: nothing may be cut out of it below kMinimumRam.
  map.front().range = {GuestAddress{0}, map.front().range.end() - GuestAddress{0}};
  return map;
}

}  // namespace touchstone
