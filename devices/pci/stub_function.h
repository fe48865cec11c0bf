// A PCI function that is nothing but a configuration header, and perhaps registers behind it that
// do not change: the host bridge, placeholders, the parts of a chipset that firmware looks at.
//
// Thread-compatible; the root serialises its calls.

#ifndef TOUCHSTONE_DEVICES_PCI_STUB_FUNCTION_H_
#define TOUCHSTONE_DEVICES_PCI_STUB_FUNCTION_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "devices/pci/config_space.h"
#include "devices/pci/pci_function.h"
#include "devices/pci/pci_function_state.h"

namespace touchstone {

class StubFunction final : public PciFunction {
 public:
  // A register of four bytes, which a guest may write without effect.
  struct FixedRegister {
    uint8_t offset;
    uint32_t value;
  };

  StubFunction(absl::string_view name, const PciIdentity& identity,
               absl::Span<const FixedRegister> registers = {})
      : name_(name),
        config_(ConfigSpace::Header::kEndpoint, identity, ConfigSpace::kConventionalSize) {
    for (const FixedRegister& fixed : registers) config_.Set(fixed.offset, fixed.value);
  }

  [[nodiscard]] absl::string_view name() const override { return name_; }
  void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) override {
    config_.Read(offset, data);
  }
  void WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) override {
    config_.Write(offset, data);
  }
  [[nodiscard]] absl::StatusOr<PciFunctionState> Save() override { return StateWith(config_); }
  absl::Status Restore(const PciFunctionState& state) override {
    return RestoreConfig(state, config_);
  }

 private:
  const std::string name_;
  ConfigSpace config_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PCI_STUB_FUNCTION_H_
