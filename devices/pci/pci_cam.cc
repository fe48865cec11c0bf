#include "devices/pci/pci_cam.h"

#include <algorithm>
#include <utility>

#include "base/bits.h"
#include "base/endian.h"

namespace touchstone {
namespace {

// Offsets from 0xCF8.
constexpr uint64_t kAddress = 0;
constexpr uint64_t kResetControl = 1;
constexpr uint64_t kData = 4;

constexpr uint32_t kAddressEnable = Bit(31);
// Bits 30:24 are reserved, bits 1:0 are 0.
constexpr uint32_t kAddressMask = 0x80FFFFFC;

constexpr uint8_t kResetCpu = 1 << 2;
// System reset and full reset: how to do it, of no consequence here.
constexpr uint8_t kResetRemembered = 1 << 1 | 1 << 3;

PciAddress Selected(uint32_t address) {
  return {.domain = 0,
          .bus = static_cast<uint8_t>(Field(address, 23, 16)),
          .device = static_cast<uint8_t>(Field(address, 15, 11)),
          .function = static_cast<uint8_t>(Field(address, 10, 8))};
}

}  // namespace

PciCam::PciCam(PciRoot& root, Options options) : root_(root), options_(std::move(options)) {}

uint32_t PciCam::address() const {
  MutexLock lock(mutex_);
  return address_;
}

void PciCam::Read(uint64_t offset, absl::Span<uint8_t> data) {
  std::fill(data.begin(), data.end(), 0xFF);
  // A bridge splits what straddles a dword.
  if (offset < kData) {
    const size_t low = std::min<size_t>(data.size(), kData - offset);
    ReadLow(offset, data.subspan(0, low));
    data.remove_prefix(low);
    offset = kData;
  }
  const uint32_t selected = address();
  if (data.empty() || options_.broken || (selected & kAddressEnable) == 0) return;
  const uint32_t reg = (selected & 0xFC) + static_cast<uint32_t>(offset - kData);
  root_.ReadConfig(Selected(selected), reg, data.first(std::min<size_t>(data.size(), 8 - offset)));
}

void PciCam::ReadLow(uint64_t offset, absl::Span<uint8_t> data) {
  MutexLock lock(mutex_);
  if (offset == kAddress && data.size() == 4) {
    if (!options_.broken) StoreLe(address_, data);
  } else if (offset == kResetControl) {
    data[0] = reset_control_;
  }
}

void PciCam::Write(uint64_t offset, absl::Span<const uint8_t> data) {
  if (offset < kData) {
    const size_t low = std::min<size_t>(data.size(), kData - offset);
    WriteLow(offset, data.subspan(0, low));
    data.remove_prefix(low);
    offset = kData;
  }
  const uint32_t selected = address();
  if (data.empty() || options_.broken || (selected & kAddressEnable) == 0) return;
  const uint32_t reg = (selected & 0xFC) + static_cast<uint32_t>(offset - kData);
  root_.WriteConfig(Selected(selected), reg, data.first(std::min<size_t>(data.size(), 8 - offset)));
}

void PciCam::WriteLow(uint64_t offset, absl::Span<const uint8_t> data) {
  bool reset = false;
  {
    MutexLock lock(mutex_);
    if (offset == kAddress && data.size() == 4) {
      if (!options_.broken) address_ = static_cast<uint32_t>(LoadLe(data)) & kAddressMask;
    } else if (offset == kResetControl) {
      reset_control_ = data[0] & kResetRemembered;
      reset = (data[0] & kResetCpu) != 0;
    }
  }
  if (reset && options_.on_reset) options_.on_reset();
}

PciCam::State PciCam::Save() const {
  MutexLock lock(mutex_);
  return {.address = address_, .reset_control = reset_control_};
}

void PciCam::Restore(const State& state) {
  MutexLock lock(mutex_);
  address_ = state.address & kAddressMask;
  reset_control_ = state.reset_control & kResetRemembered;
}

}  // namespace touchstone
