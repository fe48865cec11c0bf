#include "devices/virtio/pci/shared_memory_bar.h"

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "base/endian.h"
#include "base/memory/guest_memory.h"
#include "base/status.h"
#include "devices/pci/pci_registers.h"
#include "devices/virtio/pci/virtio_pci_registers.h"

namespace touchstone {

absl::StatusOr<SharedMemoryBar> SharedMemoryBar::Create(
    absl::Span<const VirtioDevice::SharedMemory> regions) {
  SharedMemoryBar bar;
  uint64_t end = 0;
  for (const auto& [id, size] : regions) {
    if (size == 0 || size % kGuestPageSize != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("shared memory ", id, ": ", size, " bytes are no whole 4 KiB pages"));
    }
    for (const Region& other : bar.regions_) {
      if (other.id != id) continue;
      return absl::InvalidArgumentError(absl::StrCat("shared memory ", id, " is there twice"));
    }
    if (size > kMaxSize - end) {
      return absl::ResourceExhaustedError(
          absl::StrCat("shared memory ", id, ": ", size, " more bytes are too many"));
    }
    bar.regions_.push_back({.id = id, .offset = end, .size = size});
    end += size;
  }
  bar.size_ = std::bit_ceil(end);
  return bar;
}

PciBar SharedMemoryBar::bar() const {
  return {.index = kIndex, .kind = PciBarKind::kMemory64, .prefetchable = true, .size = size_};
}

absl::Status SharedMemoryBar::AddTo(ConfigSpace& config) const {
  RETURN_IF_ERROR(config.AddBar(bar()));
  for (const Region& region : regions_) {
    // struct virtio_pci_cap64 behind the two bytes that every capability begins with.
    uint8_t body[kVirtioCapability64Size - 2] = {};
    const auto put = [&body](uint32_t at, uint64_t value, size_t size) {
      StoreLe(value, absl::MakeSpan(body).subspan(at - 2, size));
    };
    put(kVirtioCapabilityLengthOfAll, kVirtioCapability64Size, 1);
    put(kVirtioCapabilityType, kVirtioCapabilitySharedMemory, 1);
    put(kVirtioCapabilityBar, kIndex, 1);
    put(kVirtioCapabilityId, region.id, 1);
    put(kVirtioCapabilityOffset, region.offset, 4);
    put(kVirtioCapabilityLength, region.size, 4);
    put(kVirtioCapabilityOffsetHigh, region.offset >> 32, 4);
    put(kVirtioCapabilityLengthHigh, region.size >> 32, 4);
    RETURN_IF_ERROR(config.AddCapability(kPciCapabilityVendor, body).status());
  }
  return absl::OkStatus();
}

void SharedMemoryBar::Read(uint64_t /*offset*/, absl::Span<uint8_t> data) {
  std::fill(data.begin(), data.end(), 0);
}

}  // namespace touchstone
