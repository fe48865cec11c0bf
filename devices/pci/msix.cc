#include "devices/pci/msix.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/endian.h"
#include "base/log.h"
#include "base/status.h"

namespace touchstone {
namespace {

// Table entry (PCI Local Bus 3.0, 6.8.2.6 to 6.8.2.9).
constexpr uint32_t kEntrySize = 16;
constexpr uint32_t kEntryAddress = 0;
constexpr uint32_t kEntryData = 8;
constexpr uint32_t kEntryControl = 12;
constexpr uint8_t kControlMasked = 1 << 0;

// Bits of an entry that a guest may write: messages are dword-aligned, and of the vector control
// only the mask exists.
constexpr uint8_t kEntryWritable[kEntrySize] = {0xFC, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                                0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0,    0,    0};

// Capability (PCI Local Bus 3.0, 6.8.2.3 to 6.8.2.5), offsets from its start.
constexpr uint32_t kMessageControl = 2;
constexpr uint16_t kMessageControlEnable = 1 << 15;
constexpr uint16_t kMessageControlMask = 1 << 14;

}  // namespace

Msix::Msix(uint16_t vectors, MsiTarget& target)
    : count_(vectors),
      target_(target),
      table_(size_t{vectors} * kEntrySize),
      pending_((size_t{vectors} + 63) / 64 * 8),
      vectors_(vectors) {
  CHECK(vectors >= 1 && vectors <= kMaxVectors);
  // PCI Local Bus 3.0, 6.8.2.9: vectors are masked after reset.
  for (uint32_t i = 0; i < vectors; ++i) table_[i * kEntrySize + kEntryControl] = kControlMasked;
}

absl::Status Msix::AddCapability(ConfigSpace& config, Location table, Location pending) {
  for (const Location& location : {table, pending}) {
    if (location.bar < 0 || location.bar >= kPciMaxBars || location.offset % 8 != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("MSI-X cannot be at offset ", location.offset, " of BAR ", location.bar));
    }
  }
  uint8_t body[10];
  StoreLe(count_ - 1u, absl::MakeSpan(body, 2));
  StoreLe(table.offset | static_cast<uint32_t>(table.bar), absl::MakeSpan(body + 2, 4));
  StoreLe(pending.offset | static_cast<uint32_t>(pending.bar), absl::MakeSpan(body + 6, 4));
  ASSIGN_OR_RETURN(capability_, config.AddCapability(kPciCapabilityMsix, body));
  config.SetWritable<uint16_t>(capability_ + kMessageControl,
                               kMessageControlEnable | kMessageControlMask);
  return absl::OkStatus();
}

void Msix::ConfigWritten(const ConfigSpace& config) {
  CHECK(capability_ != 0);
  const uint16_t control = config.Get<uint16_t>(capability_ + kMessageControl);
  const bool enable = (control & kMessageControlEnable) != 0;
  const bool mask = (control & kMessageControlMask) != 0;
  MutexLock lock(mutex_);
  if (enable == enabled() && mask == function_masked_) return;
  enabled_.store(enable, std::memory_order_relaxed);
  function_masked_ = mask;
  for (uint16_t vector = 0; vector < count_; ++vector) Refresh(vector);
}

uint32_t Msix::table_size() const { return uint32_t{count_} * kEntrySize; }

uint32_t Msix::pending_size() const { return (uint32_t{count_} + 63) / 64 * 8; }

void Msix::ReadTable(uint64_t offset, absl::Span<uint8_t> data) const {
  MutexLock lock(mutex_);
  if (offset >= table_.size()) return;
  const size_t size = std::min(data.size(), table_.size() - static_cast<size_t>(offset));
  std::copy_n(table_.begin() + static_cast<ptrdiff_t>(offset), size, data.begin());
}

void Msix::ReadPending(uint64_t offset, absl::Span<uint8_t> data) const {
  MutexLock lock(mutex_);
  if (offset >= pending_.size()) return;
  const size_t size = std::min(data.size(), pending_.size() - static_cast<size_t>(offset));
  std::copy_n(pending_.begin() + static_cast<ptrdiff_t>(offset), size, data.begin());
}

void Msix::WriteTable(uint64_t offset, absl::Span<const uint8_t> data) {
  MutexLock lock(mutex_);
  if (offset >= table_.size() || data.empty()) return;
  const size_t first = static_cast<size_t>(offset);
  const size_t size = std::min(data.size(), table_.size() - first);
  for (size_t i = 0; i < size; ++i) {
    table_[first + i] = data[i] & kEntryWritable[(first + i) % kEntrySize];
  }
  const size_t last = first + size - 1;
  for (size_t vector = first / kEntrySize; vector <= last / kEntrySize; ++vector) {
    Refresh(static_cast<uint16_t>(vector));
  }
}

bool Msix::Deliverable(uint16_t vector) const {
  return enabled() && !function_masked_ &&
         (table_[size_t{vector} * kEntrySize + kEntryControl] & kControlMasked) == 0;
}

bool Msix::Pending(uint16_t vector) const {
  return (pending_[vector / 8] & (1 << vector % 8)) != 0;
}

void Msix::SetPending(uint16_t vector, bool pending) {
  const uint8_t bit = static_cast<uint8_t>(1 << vector % 8);
  uint8_t& byte = pending_[vector / 8];
  byte = static_cast<uint8_t>(pending ? byte | bit : byte & ~bit);
}

Msix::Message Msix::MessageOf(uint16_t vector) const {
  const auto entry = absl::MakeConstSpan(table_).subspan(size_t{vector} * kEntrySize, kEntrySize);
  return {.address = LoadLe(entry.subspan(kEntryAddress, 8)),
          .data = static_cast<uint32_t>(LoadLe(entry.subspan(kEntryData, 4)))};
}

bool Msix::RouteIsCurrent(uint16_t vector) const {
  return vectors_[vector].route != nullptr && vectors_[vector].routed == MessageOf(vector);
}

// Makes the vector's route send what its entry says. False when the machine refused.
bool Msix::UpdateRoute(uint16_t index) {
  if (RouteIsCurrent(index)) return true;
  Vector& vector = vectors_[index];
  const auto [address, data] = MessageOf(index);
  absl::Status status;
  if (vector.route == nullptr) {
    absl::StatusOr<std::unique_ptr<MsiRoute>> route = target_.Route(address, data);
    status = route.status();
    if (route.ok()) vector.route = *std::move(route);
  } else {
    status = vector.route->Update(address, data);
  }
  if (!status.ok()) {
    ++lost_;
    LOG(kWarning, "pci", "MSI-X vector %d to 0x%x, data 0x%x: %s", index, address, data,
        std::string(status.message()));
    return false;
  }
  vector.routed = {address, data};
  return true;
}

// Follows a change of the vector's entry or of what masks it.
void Msix::Refresh(uint16_t vector) {
  if (!Deliverable(vector) || !UpdateRoute(vector) || !Pending(vector)) return;
  // PCI Local Bus 3.0, 6.8.3.4: unmasking sends the pending message and clears its bit.
  SetPending(vector, false);
  vectors_[vector].route->trigger().Signal();
}

void Msix::Signal(uint16_t vector) {
  if (vector >= count_ || !enabled()) return;
  MutexLock lock(mutex_);
  if (!enabled()) return;
  SetPending(vector, true);
  Refresh(vector);
}

const EventFd* Msix::trigger(uint16_t vector) const {
  MutexLock lock(mutex_);
  if (vector >= count_ || !Deliverable(vector) || !RouteIsCurrent(vector)) return nullptr;
  return &vectors_[vector].route->trigger();
}

uint64_t Msix::lost() const {
  MutexLock lock(mutex_);
  return lost_;
}

Msix::State Msix::Save() const {
  MutexLock lock(mutex_);
  return {table_, pending_};
}

absl::Status Msix::Restore(const State& state) {
  MutexLock lock(mutex_);
  if (state.table.size() != table_.size() || state.pending.size() != pending_.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "saved MSI-X state has ", state.table.size(), " bytes of table and ", state.pending.size(),
        " of pending bits, this function ", table_.size(), " and ", pending_.size()));
  }
  for (size_t i = 0; i < table_.size(); ++i) {
    table_[i] = state.table[i] & kEntryWritable[i % kEntrySize];
  }
  pending_.assign(pending_.size(), 0);
  for (uint16_t vector = 0; vector < count_; ++vector) {
    SetPending(vector, (state.pending[vector / 8] & (1 << vector % 8)) != 0);
  }
  for (uint16_t vector = 0; vector < count_; ++vector) Refresh(vector);
  return absl::OkStatus();
}

}  // namespace touchstone
