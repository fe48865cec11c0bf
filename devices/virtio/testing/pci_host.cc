#include "devices/virtio/testing/pci_host.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "devices/pci/pci_registers.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/pci/virtio_pci_registers.h"

namespace touchstone {
namespace {

constexpr uint64_t kMessageAddress = 0xFEE0'0000;
constexpr uint16_t kMsixEnable = 0x8000;  // Of the capability's message control.

}  // namespace

PciHost::PciHost(VirtioDevice& device, GuestMemory memory, Options options)
    : device_(device), memory_(std::move(memory)), options_(options) {
  pci_ = VirtioPci::Create(device, {.name = "test", .memory = memory_, .msi = &msi_}).value();
  pci_->ConnectIntx({.pin = 1, .gsi = 9, .line = &line_});
  for (const VirtioPci::NotifyPoint& point : pci_->notify_points()) kicks_.push_back(point.event);
  if (options_.msix) EnableMsix();
}

// Message n says n.
void PciHost::EnableMsix() {
  CHECK(kicks_.size() < kVirtioMaxVectors);
  for (uint32_t vector = 0; vector <= kicks_.size(); ++vector) {
    Put<uint64_t>(kVirtioMsixTable + 16 * vector, kMessageAddress);
    Put<uint64_t>(kVirtioMsixTable + 16 * vector + 8, vector);
  }
  uint8_t at = 0;
  pci_->ReadConfig(kPciCapabilities, absl::MakeSpan(&at, 1));
  uint8_t header[4] = {};
  while (at != 0) {
    pci_->ReadConfig(at, absl::MakeSpan(header));
    if (header[0] == kPciCapabilityMsix) break;
    at = header[1];
  }
  CHECK(at != 0);
  uint8_t control[2];
  StoreLe(kMsixEnable, absl::MakeSpan(control));
  pci_->WriteConfig(at + 2u, control);
}

uint64_t PciHost::features() {
  Put<uint32_t>(kVirtioDeviceFeatureSelect, 0);
  const uint64_t low = Get<uint32_t>(kVirtioDeviceFeature);
  Put<uint32_t>(kVirtioDeviceFeatureSelect, 1);
  return low | uint64_t{Get<uint32_t>(kVirtioDeviceFeature)} << 32;
}

void PciHost::ReadConfig(uint32_t offset, absl::Span<uint8_t> data) {
  std::fill(data.begin(), data.end(), 0);
  if (offset >= kVirtioConfigSize) return;
  pci_->Read(kVirtioConfig + offset, data);
}

void PciHost::WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) {
  if (offset < kVirtioConfigSize) pci_->Write(kVirtioConfig + offset, data);
}

void PciHost::AddStatus(uint8_t bits) {
  status_ |= bits;
  Put(kVirtioStatus, status_);
}

// Virtio 1.2, 3.1.1, steps 2 to 6.
bool PciHost::Negotiate(uint64_t features) {
  features_ = features;
  AddStatus(kVirtioAcknowledge);
  AddStatus(kVirtioDriver);
  Put<uint32_t>(kVirtioDriverFeatureSelect, 0);
  Put(kVirtioDriverFeature, static_cast<uint32_t>(features));
  Put<uint32_t>(kVirtioDriverFeatureSelect, 1);
  Put(kVirtioDriverFeature, static_cast<uint32_t>(features >> 32));
  AddStatus(kVirtioFeaturesOk);
  if (options_.msix) Put<uint16_t>(kVirtioConfigVector, 0);
  return (Get<uint8_t>(kVirtioStatus) & kVirtioFeaturesOk) != 0;
}

bool PciHost::SetUpQueue(uint16_t index, const QueueLayout& layout, const QueuePosition& position) {
  CHECK(position == QueuePosition{});
  Put(kVirtioQueueSelect, index);
  Put(kVirtioQueueSize, static_cast<uint16_t>(layout.size));
  if (options_.msix) Put(kVirtioQueueVector, static_cast<uint16_t>(index + 1));
  Put(kVirtioQueueDescriptors, Raw(layout.descriptors));
  Put(kVirtioQueueDriver, Raw(layout.driver));
  Put(kVirtioQueueDevice, Raw(layout.device));
  Put<uint16_t>(kVirtioQueueEnable, 1);
  const uint64_t registers = Get<uint64_t>(kVirtioQueueSize);  // Size, vector, enable.
  return static_cast<uint16_t>(registers) == layout.size &&
         static_cast<uint16_t>(registers >> 32) == 1 && !needs_reset();
}

bool PciHost::DriverReady() {
  AddStatus(kVirtioDriverOk);
  return !needs_reset();
}

void PciHost::Kick(uint16_t index) { Put(kVirtioNotify + kVirtioNotifyMultiplier * index, index); }

std::optional<QueuePosition> PciHost::StopQueue(uint16_t index) {
  if ((features_ & kVirtioRingReset) == 0) return std::nullopt;
  Put(kVirtioQueueSelect, index);
  Put<uint16_t>(kVirtioQueueReset, 1);
  if (Get<uint16_t>(kVirtioQueueEnable) != 0) return std::nullopt;
  return QueuePosition{};
}

void PciHost::Reset() {
  status_ = 0;
  Put(kVirtioStatus, status_);
}

bool PciHost::needs_reset() { return (Get<uint8_t>(kVirtioStatus) & kVirtioNeedsReset) != 0; }

RecordingInterrupt& PciHost::interrupt() {
  for (const RecordingMsiTarget::Message& message : msi_.Drain()) {
    if (message.data == 0) {
      interrupt_.SignalConfig();
    } else {
      interrupt_.SignalQueue(static_cast<uint16_t>(message.data - 1));
    }
  }
  if (!options_.msix && line_.level()) {
    const uint8_t isr = Get<uint8_t>(kVirtioIsr);
    if ((isr & kVirtioIsrQueue) != 0) interrupt_.SignalQueue(0);
    if ((isr & kVirtioIsrConfig) != 0) interrupt_.SignalConfig();
  }
  return interrupt_;
}

}  // namespace touchstone
