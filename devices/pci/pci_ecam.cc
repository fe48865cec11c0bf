#include "devices/pci/pci_ecam.h"

#include <algorithm>

#include "base/bits.h"
#include "base/log.h"

namespace touchstone {
namespace {

PciAddress AddressAt(uint64_t offset) {
  return {.domain = 0,
          .bus = static_cast<uint8_t>(Field(offset, 27, 20)),
          .device = static_cast<uint8_t>(Field(offset, 19, 15)),
          .function = static_cast<uint8_t>(Field(offset, 14, 12))};
}

uint32_t RegisterAt(uint64_t offset) { return static_cast<uint32_t>(Field(offset, 11, 0)); }

}  // namespace

PciEcam::PciEcam(PciRoot& root, uint64_t size) : root_(root), size_(size) {
  CHECK(size > 0 && size % kBusSize == 0 && size <= kMaxSize);
}

void PciEcam::Read(uint64_t offset, absl::Span<uint8_t> data) {
  std::fill(data.begin(), data.end(), 0xFF);
  if (offset >= size_) return;
  root_.ReadConfig(AddressAt(offset), RegisterAt(offset), data);
}

void PciEcam::Write(uint64_t offset, absl::Span<const uint8_t> data) {
  if (offset >= size_) return;
  root_.WriteConfig(AddressAt(offset), RegisterAt(offset), data);
}

}  // namespace touchstone
