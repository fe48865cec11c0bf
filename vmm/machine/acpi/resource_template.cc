#include "vmm/machine/acpi/resource_template.h"

#include "base/bits.h"
#include "base/endian.h"
#include "base/log.h"

namespace touchstone {
namespace {

// First bytes of descriptors: small ones carry their length in bits 2 to 0 (6.4.2), large ones in
// the two bytes that follow (6.4.3).
constexpr uint8_t kIrqNoFlagsTag = 0x22;
constexpr uint8_t kIrqTag = 0x23;
constexpr uint8_t kIoTag = 0x47;
constexpr uint8_t kEndTag = 0x79;
constexpr uint8_t kRegisterTag = 0x82;
constexpr uint8_t kFixedMemory32Tag = 0x86;
constexpr uint8_t kDWordAddressTag = 0x87;
constexpr uint8_t kWordAddressTag = 0x88;
constexpr uint8_t kInterruptTag = 0x89;
constexpr uint8_t kQWordAddressTag = 0x8A;

// Resource types of address space descriptors, 6.4.3.5.
constexpr uint8_t kMemoryRange = 0;
constexpr uint8_t kIoRange = 1;
constexpr uint8_t kBusNumberRange = 2;

// General flags of address space descriptors; bit 0 is the ResourceUse.
constexpr uint8_t kMinFixed = Bit<uint8_t>(2);
constexpr uint8_t kMaxFixed = Bit<uint8_t>(3);

constexpr uint8_t kReadWriteMemory = Bit<uint8_t>(0);  // 6.4.3.5.5; non-cacheable
constexpr uint8_t kEntireRange = 3;                    // 6.4.3.5.5: ISA and non-ISA ports

constexpr uint8_t kIrqEdge = Bit<uint8_t>(0);  // 6.4.2.1
constexpr uint8_t kIrqShared = Bit<uint8_t>(4);

constexpr uint8_t kInterruptConsumer = Bit<uint8_t>(0);  // 6.4.3.6; bit 1 clear: level
constexpr uint8_t kInterruptActiveLow = Bit<uint8_t>(2);
constexpr uint8_t kInterruptShared = Bit<uint8_t>(3);

constexpr uint8_t kIoDecode16 = Bit<uint8_t>(0);  // 6.4.2.5

constexpr uint8_t kSystemMemorySpace = 0;  // 6.4.3.7
constexpr uint8_t kFixedHardwareSpace = 0x7F;
constexpr uint8_t kQWordAccess = 4;

}  // namespace

void ResourceTemplate::Append(uint64_t value, int size) {
  bytes_.resize(bytes_.size() + size);
  StoreLe(value, absl::MakeSpan(bytes_).last(size));
}

void ResourceTemplate::AddIo(uint16_t port, uint8_t size) {
  CHECK(size > 0 && port + size <= 0x10000);
  Append(kIoTag, 1);
  Append(kIoDecode16, 1);
  Append(port, 2);  // lowest base
  Append(port, 2);  // highest base
  Append(1, 1);     // alignment
  Append(size, 1);
}

void ResourceTemplate::AddIrq(uint8_t irq, IrqSharing sharing) {
  CHECK(irq < 16);
  Append(sharing == IrqSharing::kShared ? kIrqTag : kIrqNoFlagsTag, 1);
  Append(Bit(irq), 2);
  if (sharing == IrqSharing::kShared) Append(kIrqEdge | kIrqShared, 1);
}

void ResourceTemplate::AddFixedMemory32(uint32_t address, uint32_t size) {
  CHECK(size > 0 && uint64_t{address} + size <= uint64_t{1} << 32);
  Append(kFixedMemory32Tag, 1);
  Append(9, 2);
  Append(kReadWriteMemory, 1);
  Append(address, 4);
  Append(size, 4);
}

void ResourceTemplate::AddInterrupt(uint32_t gsi) {
  Append(kInterruptTag, 1);
  Append(6, 2);
  Append(kInterruptConsumer | kInterruptActiveLow | kInterruptShared, 1);
  Append(1, 1);  // one interrupt number
  Append(gsi, 4);
}

void ResourceTemplate::AddAddressSpace(uint8_t tag, uint8_t type, ResourceUse use,
                                       uint8_t type_flags, int width, uint64_t first,
                                       uint64_t size) {
  const uint64_t last = first + (size - 1);
  const uint64_t limit = ~uint64_t{0} >> (64 - 8 * width);
  CHECK(size > 0 && size <= limit && last >= first && last <= limit);
  Append(tag, 1);
  Append(3 + 5 * width, 2);
  Append(type, 1);
  Append(static_cast<uint8_t>(use) | kMinFixed | kMaxFixed, 1);
  Append(type_flags, 1);
  Append(0, width);  // granularity
  Append(first, width);
  Append(last, width);
  Append(0, width);  // translation
  Append(size, width);
}

void ResourceTemplate::AddBusNumbers(uint16_t first, uint32_t count) {
  AddAddressSpace(kWordAddressTag, kBusNumberRange, ResourceUse::kProducer, 0, 2, first, count);
}

void ResourceTemplate::AddIoWindow(uint16_t first, uint32_t size) {
  AddAddressSpace(kWordAddressTag, kIoRange, ResourceUse::kProducer, kEntireRange, 2, first, size);
}

void ResourceTemplate::AddMemory32(uint32_t address, uint64_t size, ResourceUse use) {
  AddAddressSpace(kDWordAddressTag, kMemoryRange, use, kReadWriteMemory, 4, address, size);
}

void ResourceTemplate::AddMemory64(uint64_t address, uint64_t size, ResourceUse use) {
  AddAddressSpace(kQWordAddressTag, kMemoryRange, use, kReadWriteMemory, 8, address, size);
}

void ResourceTemplate::AddRegister(uint8_t space, uint8_t bits, uint8_t first_bit, uint8_t access,
                                   uint64_t address) {
  Append(kRegisterTag, 1);
  Append(12, 2);
  Append(space, 1);
  Append(bits, 1);
  Append(first_bit, 1);
  Append(access, 1);
  Append(address, 8);
}

void ResourceTemplate::AddMsr(uint32_t msr, uint8_t first_bit, uint8_t bits) {
  CHECK(bits > 0 && first_bit + bits <= 64);
  AddRegister(kFixedHardwareSpace, bits, first_bit, kQWordAccess, msr);
}

void ResourceTemplate::AddNoRegister() { AddRegister(kSystemMemorySpace, 0, 0, 0, 0); }

Aml ResourceTemplate::Build() const {
  std::vector<uint8_t> bytes = bytes_;
  bytes.push_back(kEndTag);
  bytes.push_back(0);  // 6.4.2.8: a checksum of 0 is taken for a good one
  return Aml::Buffer(bytes);
}

}  // namespace touchstone
