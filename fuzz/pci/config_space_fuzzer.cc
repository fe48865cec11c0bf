// Builds a configuration space as a device might, then writes to it as a guest might.
//
// Input: header type, number of BARs, of capabilities and of extended capabilities with their
// operands; the rest is guest accesses: offset (16 bits), size (8 bits), that many bytes.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/log.h"
#include "devices/pci/config_space.h"
#include "fuzz/support/fuzz_input.h"

namespace touchstone {
namespace {

constexpr PciIdentity kIdentity{.vendor = 0x1AF4, .device = 0x1042, .class_code = 0x018000};

ConfigSpace Build(FuzzInput& input) {
  const uint8_t kind = input.U8();
  ConfigSpace config(kind % 2 != 0 ? ConfigSpace::Header::kBridge : ConfigSpace::Header::kEndpoint,
                     kIdentity,
                     kind & 2 ? ConfigSpace::kConventionalSize : ConfigSpace::kExpressSize);
  for (int bars = input.U8() % 8; bars > 0; --bars) {
    const uint8_t flags = input.U8();
    const PciBar bar{.index = flags % 8 - 1,
                     .kind = static_cast<PciBarKind>(flags / 8 % 3),
                     .prefetchable = flags >= 0x80,
                     .size = uint64_t{1} << input.U8() % 64};
    config.AddBar(bar).IgnoreError();
  }
  for (int capabilities = input.U8() % 8; capabilities > 0; --capabilities) {
    const uint8_t id = input.U8();
    config.AddCapability(id, input.Bytes(input.U8())).status().IgnoreError();
  }
  for (int capabilities = input.U8() % 8; capabilities > 0; --capabilities) {
    const uint16_t id = input.U16();
    config.AddExtendedCapability(id, input.U8(), input.Bytes(input.U16())).status().IgnoreError();
  }
  return config;
}

// What must hold whatever a guest wrote.
void CheckInvariants(const ConfigSpace& config, const ConfigSpace& fresh) {
  for (const uint32_t offset : {kPciVendorId, kPciRevision, kPciCapabilities}) {
    CHECK(config.Get<uint32_t>(offset) == fresh.Get<uint32_t>(offset));
  }
  CHECK(config.Get<uint8_t>(kPciHeaderType) == fresh.Get<uint8_t>(kPciHeaderType));
  CHECK(config.Get<uint8_t>(kPciInterruptPin) == 0);
  for (const PciBar& bar : config.bars()) {
    CHECK(config.BarAddress(bar.index) % bar.size == 0);
  }
  // Capabilities and what follows belong to the device: nothing there was made writable.
  CHECK(memcmp(config.bytes().data() + kPciFirstCapability,
               fresh.bytes().data() + kPciFirstCapability,
               config.size() - kPciFirstCapability) == 0);
  CHECK(config.FindCapability(0xFF) == fresh.FindCapability(0xFF));
}

void Run(FuzzInput input) {
  const ConfigSpace fresh = Build(input);
  ConfigSpace config = fresh;
  ConfigSpace by_byte = fresh;
  while (!input.empty()) {
    const uint32_t offset = input.U16();
    const absl::Span<const uint8_t> data = input.Bytes(input.U8() % 17);
    // One wide write is the same as its bytes one after the other.
    for (size_t i = 0; i < data.size(); ++i) {
      by_byte.Write(offset + static_cast<uint32_t>(i), data.subspan(i, 1));
    }
    config.Write(offset, data);
    CHECK(memcmp(config.bytes().data(), by_byte.bytes().data(), config.size()) == 0);
    CheckInvariants(config, fresh);
    std::vector<uint8_t> read(data.size());
    config.Read(offset, absl::MakeSpan(read));
  }
  ConfigSpace restored = fresh;
  CHECK(restored.Restore(config.bytes()).ok());
  CHECK(restored.bytes() == config.bytes());
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  touchstone::Run(touchstone::FuzzInput(data, size));
  return 0;
}
