#include "devices/platform/pvpanic/pvpanic.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "devices/pci/pci_function_state.h"

namespace touchstone {
namespace {

constexpr PciIdentity kIdentity{.vendor = 0x1B36,
                                .device = 0x0011,
                                .revision = 1,
                                .class_code = 0xFFFF00,
                                .subsystem_vendor = 0x1B36,
                                .subsystem = 0x0011};

constexpr PciBar kBar{.index = 0, .kind = PciBarKind::kMemory32, .size = Pvpanic::kBarSize};

}  // namespace

Pvpanic::Pvpanic(std::function<void(uint8_t)> on_event)
    : on_event_(std::move(on_event)),
      config_(ConfigSpace::Header::kEndpoint, kIdentity, ConfigSpace::kConventionalSize) {
  CHECK(config_.AddBar(kBar).ok());
}

void Pvpanic::ReadConfig(uint32_t offset, absl::Span<uint8_t> data) { config_.Read(offset, data); }

void Pvpanic::WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) {
  config_.Write(offset, data);
}

std::vector<PciFunctionBar> Pvpanic::bars() { return {{kBar, this}}; }

void Pvpanic::Read(uint64_t offset, absl::Span<uint8_t> data) {
  std::fill(data.begin(), data.end(), 0);
  if (offset == 0 && !data.empty()) data[0] = kKnownEvents;
}

void Pvpanic::Write(uint64_t offset, absl::Span<const uint8_t> data) {
  if (offset != 0 || data.empty()) return;
  const uint8_t events = data[0] & kKnownEvents;
  if (events != 0) on_event_(events);
}

absl::StatusOr<PciFunctionState> Pvpanic::Save() { return StateWith(config_); }

absl::Status Pvpanic::Restore(const PciFunctionState& state) {
  return RestoreConfig(state, config_);
}

}  // namespace touchstone
