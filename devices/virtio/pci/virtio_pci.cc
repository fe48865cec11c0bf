#include "devices/virtio/pci/virtio_pci.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/endian.h"
#include "base/log.h"
#include "base/status.h"
#include "devices/pci/pci_function_state.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/pci/virtio_pci_registers.h"
#include "devices/virtio/pci/virtio_pci_state.pb.h"

namespace touchstone {
namespace {

constexpr PciBar kBar = {.index = 0, .kind = PciBarKind::kMemory32, .size = kVirtioBarSize};

// PCI class and subclass by device id (Virtio 1.2, section 5 names the ids).
uint32_t ClassOf(uint32_t device_id) {
  switch (device_id) {
    case 1:   // Network.
    case 9:   // 9P.
    case 19:  // Socket.
      return 0x028000;
    case 2:   // Block.
    case 26:  // File system.
      return 0x018000;
    case 3:  // Console.
      return 0x078000;
    case 8:  // SCSI.
      return 0x010000;
    case 16:  // GPU.
      return 0x038000;
    case 18:  // Input.
      return 0x098000;
    default:
      return 0x088000;
  }
}

PciIdentity IdentityOf(uint32_t device_id) {
  const uint16_t device = static_cast<uint16_t>(kVirtioPciDevice + device_id);
  return {.vendor = kVirtioPciVendor,
          .device = device,
          .revision = 1,  // Virtio 1.2, 4.1.2.1: not transitional.
          .class_code = ClassOf(device_id),
          .subsystem_vendor = kVirtioPciVendor,
          .subsystem = device};
}

uint16_t VectorsFor(size_t queues) {
  return static_cast<uint16_t>(std::min<size_t>(queues + 1, kVirtioMaxVectors));
}

// Power management (PCI Power Management 1.2, 3.2): version 3, and a state that the guest may write
// and that changes nothing, as bit 3 (no soft reset) says.
constexpr uint8_t kPowerManagement[] = {0x03, 0x00, 0x08, 0x00, 0x00, 0x00};
constexpr uint32_t kPowerState = 4;

constexpr uint32_t kStateVersion = 1;

}  // namespace

absl::StatusOr<std::unique_ptr<VirtioPci>> VirtioPci::Create(VirtioDevice& device,
                                                             Options options) {
  const size_t queues = device.max_queue_sizes().size();
  if (queues > kVirtioMaxQueues) {
    return absl::ResourceExhaustedError(
        absl::StrCat(options.name, ": ", queues, " queues are more than ", kVirtioMaxQueues));
  }
  CommonConfig::Kicks kicks;
  for (size_t i = 0; i < queues; ++i) {
    ASSIGN_OR_RETURN(EventFd kick, EventFd::Create());
    kicks.push_back(std::make_shared<const EventFd>(std::move(kick)));
  }
  absl::StatusOr<SharedMemoryBar> shared_memory = SharedMemoryBar::Create(device.shared_memory());
  if (!shared_memory.ok()) return Annotate(shared_memory.status(), options.name);
  std::unique_ptr<VirtioPci> self(
      new VirtioPci(device, std::move(options), std::move(kicks), *std::move(shared_memory)));
  RETURN_IF_ERROR(self->AddCapabilities());
  return self;
}

VirtioPci::VirtioPci(VirtioDevice& device, Options options, CommonConfig::Kicks kicks,
                     SharedMemoryBar shared_memory)
    : device_(device),
      options_(std::move(options)),
      kicks_(std::move(kicks)),
      shared_memory_(std::move(shared_memory)),
      msix_(VectorsFor(kicks_.size()), *options_.msi),
      interrupt_(msix_, VectorsFor(kicks_.size()), kicks_.size()),
      config_(ConfigSpace::Header::kEndpoint, IdentityOf(device.device_id()),
              ConfigSpace::kConventionalSize),
      common_(device, options_.memory, interrupt_, kicks_,
              kVirtioRingReset | (options_.access_platform ? kVirtioAccessPlatform : 0)) {}

VirtioPci::~VirtioPci() { Reset(); }

void VirtioPci::Reset() {
  MutexLock lock(mutex_);
  common_.Reset();
  UpdateKickAddresses();
}

VirtioPciView VirtioPci::View() const {
  MutexLock lock(mutex_);
  return common_.View();
}

absl::Status VirtioPci::Sleep() {
  MutexLock lock(mutex_);
  return common_.Sleep();
}

void VirtioPci::WakeUp() {
  MutexLock lock(mutex_);
  common_.WakeUp();
}

absl::Status VirtioPci::AddCapabilities() {
  RETURN_IF_ERROR(config_.AddBar(kBar));
  uint8_t multiplier[4];
  StoreLe(kVirtioNotifyMultiplier, absl::MakeSpan(multiplier));
  RETURN_IF_ERROR(
      AddVirtioCapability(kVirtioCapabilityCommon, kVirtioCommon, kVirtioCommonSize, {}).status());
  RETURN_IF_ERROR(
      AddVirtioCapability(kVirtioCapabilityIsr, kVirtioIsr, kVirtioIsrSize, {}).status());
  RETURN_IF_ERROR(
      AddVirtioCapability(kVirtioCapabilityDevice, kVirtioConfig, kVirtioConfigSize, {}).status());
  RETURN_IF_ERROR(
      AddVirtioCapability(kVirtioCapabilityNotify, kVirtioNotify, kVirtioNotifySize, multiplier)
          .status());
  const uint8_t window[4] = {};
  ASSIGN_OR_RETURN(window_capability_,
                   AddVirtioCapability(kVirtioCapabilityPciConfig, 0, 0, window));
  // Virtio 1.2, 4.1.4.9: the driver writes where, how much and what.
  config_.SetWritable<uint8_t>(window_capability_ + kVirtioCapabilityBar, 0xFF);
  config_.SetWritable<uint32_t>(window_capability_ + kVirtioCapabilityOffset, 0xFFFF'FFFF);
  config_.SetWritable<uint32_t>(window_capability_ + kVirtioCapabilityLength, 0xFFFF'FFFF);
  RETURN_IF_ERROR(msix_.AddCapability(config_, {.bar = 0, .offset = kVirtioMsixTable},
                                      {.bar = 0, .offset = kVirtioMsixPending}));
  ASSIGN_OR_RETURN(const uint8_t power,
                   config_.AddCapability(kPciCapabilityPowerManagement, kPowerManagement));
  config_.SetWritable<uint16_t>(power + kPowerState, 3);
  return shared_memory_.empty() ? absl::OkStatus() : shared_memory_.AddTo(config_);
}

// Virtio 1.2, 4.1.4: struct virtio_pci_cap and what follows it.
absl::StatusOr<uint8_t> VirtioPci::AddVirtioCapability(uint8_t type, uint32_t offset,
                                                       uint32_t length,
                                                       absl::Span<const uint8_t> more) {
  std::vector<uint8_t> body(14);
  body[0] = static_cast<uint8_t>(2 + body.size() + more.size());
  body[1] = type;
  StoreLe(offset, absl::MakeSpan(body).subspan(kVirtioCapabilityOffset - 2, 4));
  StoreLe(length, absl::MakeSpan(body).subspan(kVirtioCapabilityLength - 2, 4));
  body.insert(body.end(), more.begin(), more.end());
  return config_.AddCapability(kPciCapabilityVendor, body);
}

std::vector<VirtioPci::NotifyPoint> VirtioPci::notify_points() const {
  std::vector<NotifyPoint> points;
  for (uint32_t i = 0; i < kicks_.size(); ++i) {
    points.push_back({kVirtioNotify + i * kVirtioNotifyMultiplier, kicks_[i].get()});
  }
  return points;
}

std::optional<VirtioPci::Window> VirtioPci::PciConfigWindow(uint32_t offset) const {
  if (offset != window_capability_ + kVirtioCapabilityData) return std::nullopt;
  const Window window = {config_.Get<uint32_t>(window_capability_ + kVirtioCapabilityOffset),
                         config_.Get<uint32_t>(window_capability_ + kVirtioCapabilityLength)};
  // Virtio 1.2, 4.1.4.9.2: 1, 2 or 4 bytes, aligned, inside the BAR.
  const bool width = window.length == 1 || window.length == 2 || window.length == 4;
  if (config_.Get<uint8_t>(window_capability_ + kVirtioCapabilityBar) != kBar.index || !width ||
      window.offset % window.length != 0 || window.offset >= kVirtioBarSize) {
    return std::nullopt;
  }
  return window;
}

void VirtioPci::ReadConfig(uint32_t offset, absl::Span<uint8_t> data) {
  config_.SetInterruptStatus(interrupt_.intx_pending());
  config_.Read(offset, data);
  if (const std::optional<Window> window = PciConfigWindow(offset); window.has_value()) {
    Read(window->offset, data.first(std::min<size_t>(data.size(), window->length)));
  }
}

void VirtioPci::FollowConfig() {
  msix_.ConfigWritten(config_);
  interrupt_.MsixChanged();
  // PCI Local Bus 3.0, 6.8.2.3: a function that uses MSI-X does not use its line.
  interrupt_.AllowIntx(!msix_.enabled() && (config_.command() & kPciCommandIntxDisable) == 0);
}

void VirtioPci::WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) {
  config_.Write(offset, data);
  FollowConfig();
  const std::optional<Window> window = PciConfigWindow(offset);
  if (window.has_value() && data.size() >= window->length) {
    Write(window->offset, data.first(window->length));
  }
}

std::vector<PciFunctionBar> VirtioPci::bars() {
  if (shared_memory_.empty()) return {{kBar, this}};
  return {{kBar, this}, {shared_memory_.bar(), &shared_memory_}};
}

void VirtioPci::BarMoved(int index, std::optional<uint64_t> address) {
  if (index == SharedMemoryBar::kIndex) {
    if (options_.on_shared_memory_moved) options_.on_shared_memory_moved(address);
    return;
  }
  MutexLock lock(mutex_);
  bar_address_ = address;
  UpdateKickAddresses();
}

void VirtioPci::UpdateKickAddresses() {
  if (!options_.on_kick_addresses) return;
  std::vector<KickAddress> now;
  for (uint16_t i = 0; bar_address_.has_value() && i < kicks_.size(); ++i) {
    if (!common_.runs(i)) continue;
    now.push_back(
        {*bar_address_ + kVirtioNotify + uint64_t{i} * kVirtioNotifyMultiplier, kicks_[i].get()});
  }
  if (now == kick_addresses_) return;
  kick_addresses_ = std::move(now);
  options_.on_kick_addresses(kick_addresses_);
}

absl::StatusOr<PciFunctionState> VirtioPci::Save() {
  PciFunctionState state = StateWith(config_);
  const Msix::State msix = msix_.Save();
  state.mutable_msix()->set_table(std::string(msix.table.begin(), msix.table.end()));
  state.mutable_msix()->set_pending(std::string(msix.pending.begin(), msix.pending.end()));
  VirtioPciState transport;
  transport.set_version(kStateVersion);
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(common_.Save(transport));
  interrupt_.Save(transport);
  state.set_device(transport.SerializeAsString());
  return state;
}

absl::Status VirtioPci::Restore(const PciFunctionState& state) {
  VirtioPciState transport;
  if (!transport.ParseFromString(state.device()) || transport.version() != kStateVersion) {
    return absl::InvalidArgumentError("not the state of a virtio device, or of another version");
  }
  RETURN_IF_ERROR(RestoreConfig(state, config_));
  RETURN_IF_ERROR(
      msix_.Restore({.table = {state.msix().table().begin(), state.msix().table().end()},
                     .pending = {state.msix().pending().begin(), state.msix().pending().end()}}));
  FollowConfig();
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(common_.Restore(transport));
  UpdateKickAddresses();
  return absl::OkStatus();
}

void VirtioPci::ConnectIntx(const PciIntx& intx) {
  config_.SetInterruptPin(intx.pin);
  interrupt_.Connect(intx.line);
}

void VirtioPci::Read(uint64_t offset, absl::Span<uint8_t> data) {
  if (data.empty()) return;
  std::fill(data.begin(), data.end(), 0);
  if (offset < kVirtioIsr) {
    MutexLock lock(mutex_);
    return common_.Read(offset - kVirtioCommon, data);
  }
  if (offset < kVirtioConfig) {
    if (offset == kVirtioIsr) data[0] = interrupt_.ReadIsr();
    return;
  }
  if (offset < kVirtioNotify) {
    const uint32_t at = static_cast<uint32_t>(offset - kVirtioConfig);
    MutexLock lock(mutex_);
    return device_.ReadConfig(at,
                              data.first(std::min<size_t>(data.size(), kVirtioConfigSize - at)));
  }
  if (offset >= kVirtioMsixPending) return msix_.ReadPending(offset - kVirtioMsixPending, data);
  if (offset >= kVirtioMsixTable) return msix_.ReadTable(offset - kVirtioMsixTable, data);
}

void VirtioPci::Write(uint64_t offset, absl::Span<const uint8_t> data) {
  if (offset < kVirtioIsr) {
    MutexLock lock(mutex_);
    common_.Write(offset - kVirtioCommon, data);
    return UpdateKickAddresses();
  }
  if (offset < kVirtioConfig) return;
  if (offset < kVirtioNotify) {
    const uint32_t at = static_cast<uint32_t>(offset - kVirtioConfig);
    MutexLock lock(mutex_);
    return device_.WriteConfig(at,
                               data.first(std::min<size_t>(data.size(), kVirtioConfigSize - at)));
  }
  if (offset < kVirtioNotify + kVirtioNotifySize) {
    // Virtio 1.2, 4.1.5.2: the place says which queue; the value says it again.
    const uint64_t queue = (offset - kVirtioNotify) / kVirtioNotifyMultiplier;
    if (offset % kVirtioNotifyMultiplier == 0 && queue < kicks_.size()) kicks_[queue]->Signal();
    return;
  }
  if (offset >= kVirtioMsixTable && offset < kVirtioMsixPending) {
    msix_.WriteTable(offset - kVirtioMsixTable, data);
    interrupt_.MsixChanged();
  }
}

}  // namespace touchstone
