// Resource templates: what a device's _CRS says it decodes and raises (ACPI 6.4, section 6.4).
//
//   ResourceTemplate crs;
//   crs.AddIo(0x3F8, 8);
//   crs.AddIrq(4, IrqSharing::kExclusive);
//   Aml::Name("_CRS", crs.Build())
//
// A range is given by its first address and its size. REQUIRES, for every range: size > 0 and the
// range does not wrap at the width of its descriptor. Thread-compatible.

#ifndef TOUCHSTONE_VMM_MACHINE_ACPI_RESOURCE_TEMPLATE_H_
#define TOUCHSTONE_VMM_MACHINE_ACPI_RESOURCE_TEMPLATE_H_

#include <cstdint>
#include <vector>

#include "vmm/machine/acpi/aml.h"

namespace touchstone {

// Whether a device uses an address range itself or hands it on to the bus behind it (6.4.3.5).
enum class ResourceUse : uint8_t { kProducer = 0, kConsumer = 1 };

enum class IrqSharing : uint8_t { kExclusive, kShared };

class ResourceTemplate {
 public:
  // Ports with 16-bit decoding (6.4.2.5).
  void AddIo(uint16_t port, uint8_t size);
  // An edge-triggered, active-high ISA interrupt, 0 to 15 (6.4.2.1).
  void AddIrq(uint8_t irq, IrqSharing sharing);
  // Read-write memory that the device itself decodes (6.4.3.4).
  void AddFixedMemory32(uint32_t address, uint32_t size);
  // A level-triggered, active-low interrupt of any number that the device itself raises (6.4.3.6).
  void AddInterrupt(uint32_t gsi);

  // Address space descriptors with fixed ends and positive decoding (6.4.3.5). Memory is
  // non-cacheable and read-write.
  void AddBusNumbers(uint16_t first, uint32_t count);
  void AddIoWindow(uint16_t first, uint32_t size);
  void AddMemory32(uint32_t address, uint64_t size, ResourceUse use);
  void AddMemory64(uint64_t address, uint64_t size, ResourceUse use);

  // A register in fixed hardware, which is a model-specific register here (6.4.3.7): `bits` from
  // `first_bit` on. REQUIRES: they are within 64 bits.
  void AddMsr(uint32_t msr, uint8_t first_bit, uint8_t bits);
  // A register that is not there (8.4.7.1: SystemMemory, all fields 0).
  void AddNoRegister();

  // The buffer with the end tag (6.4.2.8).
  [[nodiscard]] Aml Build() const;

 private:
  void Append(uint64_t value, int size);
  void AddAddressSpace(uint8_t tag, uint8_t type, ResourceUse use, uint8_t type_flags, int width,
                       uint64_t first, uint64_t size);
  void AddRegister(uint8_t space, uint8_t bits, uint8_t first_bit, uint8_t access,
                   uint64_t address);

  std::vector<uint8_t> bytes_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_ACPI_RESOURCE_TEMPLATE_H_
