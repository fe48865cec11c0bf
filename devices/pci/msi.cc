#include "devices/pci/msi.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "base/bits.h"
#include "base/endian.h"
#include "base/log.h"
#include "base/status.h"

namespace touchstone {
namespace {

// Offsets from the capability's start (PCI Local Bus 3.0, figure 6-9, 64-bit address).
constexpr uint32_t kMessageControl = 2;
constexpr uint32_t kMessageAddress = 4;
constexpr uint32_t kMessageUpperAddress = 8;
constexpr uint32_t kMessageData = 12;

// Message control (6.8.1.3).
constexpr uint16_t kControlEnable = 1 << 0;
constexpr int kControlCapableShift = 1;
constexpr uint16_t kControlAllowed = 7 << 4;
constexpr uint16_t kControl64Bit = 1 << 7;

}  // namespace

Msi::Msi(uint8_t vectors, MsiTarget& target) : target_(target), vectors_(vectors) {
  CHECK(std::has_single_bit(vectors) && vectors <= 32);
}

absl::Status Msi::AddCapability(ConfigSpace& config) {
  uint8_t body[12] = {};
  MutexLock lock(mutex_);
  const int capable = std::countr_zero(vectors_.size());
  StoreLe(kControl64Bit | capable << kControlCapableShift, absl::MakeSpan(body, 2));
  ASSIGN_OR_RETURN(capability_, config.AddCapability(kPciCapabilityMsi, body));
  config.SetWritable<uint16_t>(capability_ + kMessageControl, kControlEnable | kControlAllowed);
  config.SetWritable<uint32_t>(capability_ + kMessageAddress, 0xFFFFFFFC);
  config.SetWritable<uint32_t>(capability_ + kMessageUpperAddress, 0xFFFFFFFF);
  config.SetWritable<uint16_t>(capability_ + kMessageData, 0xFFFF);
  return absl::OkStatus();
}

void Msi::ConfigWritten(const ConfigSpace& config) {
  CHECK(capability_ != 0);
  const uint16_t control = config.Get<uint16_t>(capability_ + kMessageControl);
  MutexLock lock(mutex_);
  enabled_.store((control & kControlEnable) != 0, std::memory_order_relaxed);
  // More than was offered, or a reserved encoding, counts as what was offered.
  allowed_ = std::min<uint32_t>(1u << Field(control, 6, 4), static_cast<uint32_t>(vectors_.size()));
  address_ = config.Get<uint32_t>(capability_ + kMessageAddress) |
             uint64_t{config.Get<uint32_t>(capability_ + kMessageUpperAddress)} << 32;
  data_ = config.Get<uint16_t>(capability_ + kMessageData);
}

absl::Status Msi::UpdateRoute(Vector& vector, uint32_t data) {
  if (vector.route == nullptr) {
    ASSIGN_OR_RETURN(vector.route, target_.Route(address_, data));
  } else if (vector.routed_address != address_ || vector.routed_data != data) {
    RETURN_IF_ERROR(vector.route->Update(address_, data));
  }
  vector.routed_address = address_;
  vector.routed_data = data;
  return absl::OkStatus();
}

void Msi::Signal(uint8_t index) {
  MutexLock lock(mutex_);
  if (!enabled()) return;
  // PCI Local Bus 3.0, 6.8.1.6: the function may change as many low bits of the data as the guest
  // allowed messages.
  const uint32_t folded = index % allowed_;
  const uint32_t data = (data_ & ~(allowed_ - 1)) | folded;
  Vector& vector = vectors_[folded];
  if (const absl::Status status = UpdateRoute(vector, data); !status.ok()) {
    LOG(kWarning, "pci", "MSI to 0x%x, data 0x%x: %s", address_, data,
        std::string(status.message()));
    return;
  }
  vector.route->trigger().Signal();
}

}  // namespace touchstone
