// A PciFunction for tests, fuzzers and benchmarks: the BARs it is told, and it remembers where they
// went.

#ifndef TOUCHSTONE_DEVICES_PCI_FAKE_PCI_FUNCTION_H_
#define TOUCHSTONE_DEVICES_PCI_FAKE_PCI_FUNCTION_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/log.h"
#include "devices/pci/config_space.h"
#include "devices/pci/pci_function.h"
#include "devices/pci/pci_function_state.h"

namespace touchstone {

// Thread-compatible.
class FakePciFunction final : public PciFunction {
 public:
  // `bars` are given to the root as they are; their devices are borrowed. REQUIRES: they are
  // possible BARs.
  FakePciFunction(absl::string_view name, std::vector<PciFunctionBar> bars, bool intx = false)
      : name_(name),
        bars_(std::move(bars)),
        wants_intx_(intx),
        config_(ConfigSpace::Header::kEndpoint,
                {.vendor = 0x1234, .device = 0x5678, .revision = 1, .class_code = 0xFF0000}) {
    for (const PciFunctionBar& bar : bars_) CHECK(config_.AddBar(bar.bar).ok());
  }

  [[nodiscard]] absl::string_view name() const override { return name_; }
  void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) override {
    CHECK(!data.empty() && offset % 4 + data.size() <= 4);
    config_.Read(offset, data);
  }
  void WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) override {
    CHECK(!data.empty() && offset % 4 + data.size() <= 4);
    config_.Write(offset, data);
  }
  [[nodiscard]] absl::StatusOr<PciFunctionState> Save() override { return StateWith(config_); }
  absl::Status Restore(const PciFunctionState& state) override {
    return RestoreConfig(state, config_);
  }
  [[nodiscard]] std::vector<PciFunctionBar> bars() override { return bars_; }
  void BarMoved(int index, std::optional<uint64_t> address) override { moved_to_[index] = address; }
  [[nodiscard]] bool wants_intx() const override { return wants_intx_; }
  void ConnectIntx(const PciIntx& intx) override {
    intx_ = intx;
    config_.SetInterruptPin(intx.pin);
  }

  [[nodiscard]] const ConfigSpace& config() const { return config_; }
  [[nodiscard]] const std::optional<PciIntx>& intx() const { return intx_; }
  // What the last BarMoved of this BAR said.
  [[nodiscard]] std::optional<uint64_t> moved_to(int index) const {
    const auto found = moved_to_.find(index);
    return found == moved_to_.end() ? std::nullopt : found->second;
  }

 private:
  const std::string name_;
  const std::vector<PciFunctionBar> bars_;
  const bool wants_intx_;
  ConfigSpace config_;
  std::optional<PciIntx> intx_;
  std::map<int, std::optional<uint64_t>> moved_to_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PCI_FAKE_PCI_FUNCTION_H_
