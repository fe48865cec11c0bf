#include "devices/pci/config_space.h"

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "base/checked_math.h"
#include "base/log.h"

namespace touchstone {
namespace {

constexpr uint32_t BarOffset(int index) { return kPciBar0 + 4 * static_cast<uint32_t>(index); }

uint64_t MinBarSize(PciBarKind kind) { return kind == PciBarKind::kIo ? 4 : 16; }

uint64_t MaxBarSize(PciBarKind kind) {
  switch (kind) {
    case PciBarKind::kIo:
      return 256;
    case PciBarKind::kMemory32:
      return uint64_t{1} << 31;
    case PciBarKind::kMemory64:
      return uint64_t{1} << 63;
  }
  return 0;
}

}  // namespace

ConfigSpace::ConfigSpace(Header header, const PciIdentity& identity, size_t size)
    : bytes_(size), writable_(size), clearable_(size) {
  CHECK(size == kConventionalSize || size == kExpressSize);
  Set<uint16_t>(kPciVendorId, identity.vendor);
  Set<uint16_t>(kPciDeviceId, identity.device);
  Set<uint32_t>(kPciRevision, identity.class_code << 8 | identity.revision);
  Set<uint8_t>(kPciHeaderType, static_cast<uint8_t>(header));
  SetWritable<uint16_t>(kPciCommand, kPciCommandIo | kPciCommandMemory | kPciCommandBusMaster |
                                         kPciCommandParity | kPciCommandSerr |
                                         kPciCommandIntxDisable);
  // PCI Local Bus 3.0, 6.2.3: status bits are set by the device and cleared by writing ones.
  SetWriteOneToClear<uint16_t>(kPciStatus, kPciStatusErrors);
  // PCI Express 5.0, 7.5.1.1.7: read/write for compatibility, without effect.
  SetWritable<uint8_t>(kPciCacheLineSize, 0xFF);
  SetWritable<uint8_t>(kPciInterruptLine, 0xFF);
  if (header == Header::kBridge) {
    InitBridge();
  } else {
    Set<uint16_t>(kPciSubsystemVendor, identity.subsystem_vendor);
    Set<uint16_t>(kPciSubsystemId, identity.subsystem);
  }
}

// PCI-to-PCI Bridge 1.2, 3.2.5: windows are in units of 4 KiB of I/O and 1 MiB of memory; the low
// four bits of each are read-only and say how wide it decodes.
void ConfigSpace::InitBridge() {
  SetWritable<uint32_t>(kPciPrimaryBus, 0x00FFFFFF);
  SetWritable<uint16_t>(kPciIoBase, 0xF0F0);
  SetWriteOneToClear<uint16_t>(kPciSecondaryStatus, kPciStatusErrors);
  SetWritable<uint16_t>(kPciMemoryBase, 0xFFF0);
  SetWritable<uint16_t>(kPciMemoryLimit, 0xFFF0);
  Set<uint16_t>(kPciPrefetchBase, 1);  // 64-bit window.
  Set<uint16_t>(kPciPrefetchLimit, 1);
  SetWritable<uint16_t>(kPciPrefetchBase, 0xFFF0);
  SetWritable<uint16_t>(kPciPrefetchLimit, 0xFFF0);
  SetWritable<uint32_t>(kPciPrefetchBaseUpper, 0xFFFFFFFF);
  SetWritable<uint32_t>(kPciPrefetchLimitUpper, 0xFFFFFFFF);
  // Parity response, SERR#, ISA, VGA, VGA 16-bit, secondary bus reset.
  SetWritable<uint16_t>(kPciBridgeControl, 0x005F);
}

absl::Span<const uint8_t> ConfigSpace::Bytes(uint32_t offset, size_t size) const {
  CHECK(FitsWithin<size_t>(offset, size, bytes_.size()));
  return absl::MakeConstSpan(bytes_).subspan(offset, size);
}

absl::Span<uint8_t> ConfigSpace::MutableBytes(std::vector<uint8_t>& bytes, uint32_t offset,
                                              size_t size) {
  CHECK(FitsWithin<size_t>(offset, size, bytes.size()));
  return absl::MakeSpan(bytes).subspan(offset, size);
}

void ConfigSpace::Read(uint32_t offset, absl::Span<uint8_t> data) const {
  for (size_t i = 0; i < data.size(); ++i) {
    const size_t at = size_t{offset} + i;
    data[i] = at < bytes_.size() ? bytes_[at] : 0xFF;
  }
}

void ConfigSpace::Write(uint32_t offset, absl::Span<const uint8_t> data) {
  for (size_t i = 0; i < data.size(); ++i) {
    const size_t at = size_t{offset} + i;
    if (at >= bytes_.size()) return;
    const uint8_t writable = writable_[at];
    bytes_[at] = static_cast<uint8_t>((bytes_[at] & ~writable & ~(data[i] & clearable_[at])) |
                                      (data[i] & writable));
  }
}

absl::StatusOr<uint8_t> ConfigSpace::AddCapability(uint8_t id, absl::Span<const uint8_t> body) {
  const uint32_t offset = next_capability_;
  if (!FitsWithin<size_t>(offset, body.size() + 2, kConventionalSize)) {
    return absl::ResourceExhaustedError(absl::StrCat("capability ", id, " of ", body.size() + 2,
                                                     " bytes does not fit at 0x",
                                                     absl::Hex(offset)));
  }
  // PCI Local Bus 3.0, 6.7: id, next pointer (0 ends the list), dword-aligned.
  Set<uint8_t>(offset, id);
  Set<uint8_t>(offset + 1, 0);
  std::copy(body.begin(), body.end(), bytes_.begin() + offset + 2);
  Set<uint8_t>(last_capability_pointer_, static_cast<uint8_t>(offset));
  Set<uint16_t>(kPciStatus, Get<uint16_t>(kPciStatus) | kPciStatusCapabilities);
  last_capability_pointer_ = offset + 1;
  next_capability_ = AlignDown<uint32_t>(offset + 2 + static_cast<uint32_t>(body.size()) + 3, 4);
  return static_cast<uint8_t>(offset);
}

absl::StatusOr<uint16_t> ConfigSpace::AddExtendedCapability(uint16_t id, uint8_t version,
                                                            absl::Span<const uint8_t> body) {
  if (size() != kExpressSize) {
    return absl::FailedPreconditionError("a conventional PCI function has no extended capability");
  }
  const uint32_t offset = next_extended_;
  if (!FitsWithin<size_t>(offset, body.size() + 4, size())) {
    return absl::ResourceExhaustedError(absl::StrCat("extended capability ", id, " of ",
                                                     body.size() + 4, " bytes does not fit at 0x",
                                                     absl::Hex(offset)));
  }
  // PCI Express 5.0, 7.6.3: id, version in bits 19:16, next offset in bits 31:20.
  Set<uint32_t>(offset, id | uint32_t{version & 0xFu} << 16);
  std::copy(body.begin(), body.end(), bytes_.begin() + offset + 4);
  if (last_extended_ != 0) {
    Set<uint32_t>(last_extended_, (Get<uint32_t>(last_extended_) & 0xFFFFF) | offset << 20);
  }
  last_extended_ = offset;
  next_extended_ = AlignDown<uint32_t>(offset + 4 + static_cast<uint32_t>(body.size()) + 3, 4);
  return static_cast<uint16_t>(offset);
}

std::optional<uint8_t> ConfigSpace::FindCapability(uint8_t id) const {
  uint8_t offset = Get<uint8_t>(kPciCapabilities) & ~3;
  // No more dword-aligned capabilities than this fit, so a longer list is a loop.
  for (int i = 0; i < 48 && offset >= kPciFirstCapability; ++i) {
    if (Get<uint8_t>(offset) == id) return offset;
    offset = Get<uint8_t>(offset + 1u) & ~3;
  }
  return std::nullopt;
}

absl::Status ConfigSpace::AddBar(const PciBar& bar) {
  const bool bridge = Get<uint8_t>(kPciHeaderType) == static_cast<uint8_t>(Header::kBridge);
  const int registers = bar.kind == PciBarKind::kMemory64 ? 2 : 1;
  if (bar.index < 0 || bar.index + registers > (bridge ? 2 : kPciMaxBars)) {
    return absl::InvalidArgumentError(absl::StrCat("BAR ", bar.index, " does not exist"));
  }
  const uint32_t taken = ((1u << registers) - 1) << bar.index;
  if ((bar_registers_ & taken) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("BAR ", bar.index, " is taken"));
  }
  if (!std::has_single_bit(bar.size) || bar.size < MinBarSize(bar.kind) ||
      bar.size > MaxBarSize(bar.kind)) {
    return absl::InvalidArgumentError(
        absl::StrCat("BAR ", bar.index, ": ", bar.size, " is no possible size"));
  }
  bar_registers_ |= taken;
  bars_.push_back(bar);
  // PCI Local Bus 3.0, 6.2.5.1: bits below the size are hardwired to 0, so that writing all ones
  // and reading back tells the size; the type bits are read-only.
  const uint64_t address_bits = ~(bar.size - 1);
  uint32_t type = bar.prefetchable ? kPciBarPrefetchable : 0;
  if (bar.kind == PciBarKind::kIo) type = kPciBarIo;
  if (bar.kind == PciBarKind::kMemory64) type |= kPciBarMemory64;
  Set<uint32_t>(BarOffset(bar.index), type);
  SetWritable<uint32_t>(BarOffset(bar.index), static_cast<uint32_t>(address_bits));
  if (registers == 2) {
    SetWritable<uint32_t>(BarOffset(bar.index + 1), static_cast<uint32_t>(address_bits >> 32));
  }
  return absl::OkStatus();
}

uint64_t ConfigSpace::BarAddress(int index) const {
  const auto bar = std::find_if(bars_.begin(), bars_.end(),
                                [index](const PciBar& b) { return b.index == index; });
  CHECK(bar != bars_.end());
  const uint32_t low = Get<uint32_t>(BarOffset(index));
  if (bar->kind == PciBarKind::kIo) return low & ~kPciBarIoMask;
  uint64_t address = low & ~kPciBarMemoryMask;
  if (bar->kind == PciBarKind::kMemory64) {
    address |= uint64_t{Get<uint32_t>(BarOffset(index + 1))} << 32;
  }
  return address;
}

void ConfigSpace::SetInterruptStatus(bool pending) {
  const uint16_t status = Get<uint16_t>(kPciStatus);
  Set<uint16_t>(kPciStatus, static_cast<uint16_t>(pending ? status | kPciStatusInterrupt
                                                          : status & ~kPciStatusInterrupt));
}

absl::Status ConfigSpace::Restore(absl::Span<const uint8_t> bytes) {
  if (bytes.size() != bytes_.size() ||
      !std::equal(bytes.begin(), bytes.begin() + 4, bytes_.begin())) {
    return absl::InvalidArgumentError("saved PCI configuration is of another function");
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    const uint8_t guest = writable_[i] | clearable_[i];
    bytes_[i] = static_cast<uint8_t>((bytes_[i] & ~guest) | (bytes[i] & guest));
  }
  return absl::OkStatus();
}

}  // namespace touchstone
