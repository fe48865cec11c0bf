#include "vmm/machine/cpu/lapic.h"

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "base/bits.h"
#include "base/endian.h"

namespace touchstone {
namespace {

// Local vector table, Intel SDM volume 3, 11.5.1: delivery mode in bits 10 to 8, mask in bit 16.
constexpr size_t kLvtLint0 = 0x350;
constexpr size_t kLvtLint1 = 0x360;
constexpr uint32_t kDeliverNmi = 4 << 8;
constexpr uint32_t kDeliverExtInt = 7 << 8;
constexpr uint32_t kDeliveryMode = Mask(10, 8);
constexpr uint32_t kMasked = Bit(16);

void SetEntry(LapicState& state, size_t offset, uint32_t mode) {
  const absl::Span<uint8_t> entry = absl::MakeSpan(state).subspan(offset, sizeof(uint32_t));
  const auto value = static_cast<uint32_t>(LoadLe(entry));
  StoreLe((value & ~(kDeliveryMode | kMasked)) | mode, entry);
}

}  // namespace

void WireLocalInterrupts(LapicState& state) {
  SetEntry(state, kLvtLint0, kDeliverExtInt);
  SetEntry(state, kLvtLint1, kDeliverNmi);
}

}  // namespace touchstone
