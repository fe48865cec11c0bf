#include "hypervisor/fake/fake_vm.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace touchstone {
namespace {

constexpr uint64_t kPageSize = 4096;
constexpr uint64_t kPagesPerWord = 64;
// KVM_CAP_NR_MEMSLOTS of today's kernels.
constexpr uint32_t kMaxSlots = 32764;

bool IsAligned(uint64_t value) { return value % kPageSize == 0; }

absl::Status CheckSlot(uint32_t slot, const MemorySlot& memory) {
  const uint64_t start = Raw(memory.start);
  const bool in_range = memory.size <= std::numeric_limits<uint64_t>::max() - start;
  if (slot >= kMaxSlots || !in_range || !IsAligned(start) || !IsAligned(memory.size) ||
      memory.host == nullptr || !IsAligned(reinterpret_cast<uint64_t>(memory.host))) {
    return absl::InvalidArgumentError(absl::StrCat("memory slot ", slot, " at 0x", absl::Hex(start),
                                                   " of 0x", absl::Hex(memory.size), " bytes"));
  }
  return absl::OkStatus();
}

bool Overlap(const MemorySlot& a, const MemorySlot& b) {
  return Raw(a.start) < Raw(b.start) + b.size && Raw(b.start) < Raw(a.start) + a.size;
}

}  // namespace

std::map<uint32_t, MemorySlot> FakeVm::slots() const {
  MutexLock lock(mutex_);
  std::map<uint32_t, MemorySlot> slots;
  for (const auto& [number, slot] : slots_) slots[number] = slot.memory;
  return slots;
}

absl::Status FakeVm::SetMemory(uint32_t slot, const MemorySlot& memory) {
  MutexLock lock(mutex_);
  if (memory.size == 0) {
    slots_.erase(slot);
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(CheckSlot(slot, memory));
  for (const auto& [number, other] : slots_) {
    if (number == slot || !Overlap(other.memory, memory)) continue;
    return absl::AlreadyExistsError(absl::StrCat("memory slot ", slot, " overlaps slot ", number));
  }
  const uint64_t pages = memory.size / kPageSize;
  slots_[slot] = {.memory = memory,
                  .dirty = std::vector<uint64_t>((pages + kPagesPerWord - 1) / kPagesPerWord)};
  return absl::OkStatus();
}

void FakeVm::MarkDirty(GuestAddress start, uint64_t size) {
  MutexLock lock(mutex_);
  const MemorySlot written = {.start = start, .size = size};
  for (auto& [number, slot] : slots_) {
    if (!slot.memory.log_dirty || size == 0 || !Overlap(slot.memory, written)) continue;
    const uint64_t first = std::max(Raw(start), Raw(slot.memory.start)) - Raw(slot.memory.start);
    const uint64_t last = std::min(Raw(start) + size, Raw(slot.memory.start) + slot.memory.size) -
                          Raw(slot.memory.start) - 1;
    for (uint64_t page = first / kPageSize; page <= last / kPageSize; ++page) {
      slot.dirty[page / kPagesPerWord] |= uint64_t{1} << (page % kPagesPerWord);
    }
  }
}

absl::StatusOr<std::vector<uint64_t>> FakeVm::TakeDirtyLog(uint32_t slot) {
  MutexLock lock(mutex_);
  const auto found = slots_.find(slot);
  if (found == slots_.end() || !found->second.memory.log_dirty) {
    return absl::FailedPreconditionError(
        absl::StrCat("memory slot ", slot, " does not log dirty pages"));
  }
  return std::exchange(found->second.dirty, std::vector<uint64_t>(found->second.dirty.size()));
}

absl::Status FakeVm::CheckCanCreateIrqChip() const {
  if (has_irq_chip_) return absl::AlreadyExistsError("the interrupt controllers exist");
  if (!vcpus_.empty()) return absl::InvalidArgumentError("a vCPU exists already");
  return absl::OkStatus();
}

absl::Status FakeVm::CreateIrqChip() {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(CheckCanCreateIrqChip());
  has_irq_chip_ = true;
  return absl::OkStatus();
}

absl::Status FakeVm::SetBootCpu(uint32_t id) {
  MutexLock lock(mutex_);
  if (!vcpus_.empty()) return absl::FailedPreconditionError("a vCPU exists already");
  boot_cpu_ = id;
  return absl::OkStatus();
}

uint32_t FakeVm::boot_cpu() const {
  MutexLock lock(mutex_);
  return boot_cpu_;
}

absl::Status FakeVm::CreateSplitIrqChip(uint32_t ioapic_pins, ExternalInterrupts& external) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(CheckCanCreateIrqChip());
  has_irq_chip_ = true;
  split_pins_ = ioapic_pins;
  external_ = &external;
  irq_chip_.Split();
  return absl::OkStatus();
}

std::optional<uint32_t> FakeVm::split_pins() const {
  MutexLock lock(mutex_);
  return split_pins_;
}

absl::Status FakeVm::EnableExit(OptionalExit exit) {
  if (!optional_exits_.contains(exit)) return absl::UnimplementedError("the fake lacks this exit");
  MutexLock lock(mutex_);
  if (!vcpus_.empty()) return absl::FailedPreconditionError("EnableExit after a vCPU");
  enabled_exits_.insert(exit);
  return absl::OkStatus();
}

std::set<OptionalExit> FakeVm::enabled_exits() const {
  MutexLock lock(mutex_);
  return enabled_exits_;
}

bool FakeVm::has_irq_chip() const {
  MutexLock lock(mutex_);
  return has_irq_chip_;
}

absl::Status FakeVm::RequireIrqChip(const char* call) const {
  if (has_irq_chip()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(call, ": no interrupt controllers"));
}

absl::StatusOr<std::unique_ptr<Vcpu>> FakeVm::CreateVcpu(uint32_t id,
                                                         absl::Span<const CpuidEntry> cpuid) {
  std::unique_ptr<FakeVcpu> vcpu;
  {
    MutexLock lock(mutex_);
    if (id >= max_vcpus_) return absl::InvalidArgumentError(absl::StrCat("vCPU ", id));
    if (vcpus_.contains(id)) return absl::AlreadyExistsError(absl::StrCat("vCPU ", id));
    vcpu = std::make_unique<FakeVcpu>(id, io_events_, cpuid, id == boot_cpu_ ? external_ : nullptr);
    vcpus_[id] = vcpu.get();
  }
  if (on_vcpu_ != nullptr) on_vcpu_(*vcpu);
  return vcpu;
}

FakeVcpu* FakeVm::vcpu(uint32_t id) const {
  MutexLock lock(mutex_);
  const auto found = vcpus_.find(id);
  return found == vcpus_.end() ? nullptr : found->second;
}

absl::Status FakeVm::AddIoEvent(const IoEvent& io_event, const EventFd& event) {
  return io_events_->Add(io_event, event);
}

absl::Status FakeVm::RemoveIoEvent(const IoEvent& io_event, const EventFd& event) {
  return io_events_->Remove(io_event, event);
}

absl::Status FakeVm::AddIrqFd(uint32_t gsi, const EventFd& trigger, const EventFd* resample) {
  RETURN_IF_ERROR(RequireIrqChip("AddIrqFd"));
  return irq_chip_.AddIrqFd(gsi, trigger, resample);
}

absl::Status FakeVm::RemoveIrqFd(uint32_t gsi, const EventFd& trigger) {
  return irq_chip_.RemoveIrqFd(gsi, trigger);
}

absl::Status FakeVm::SetIrqRoutes(absl::Span<const IrqRoute> routes) {
  RETURN_IF_ERROR(RequireIrqChip("SetIrqRoutes"));
  return irq_chip_.SetRoutes(routes);
}

absl::Status FakeVm::SetIrqLine(uint32_t gsi, bool level) {
  RETURN_IF_ERROR(RequireIrqChip("SetIrqLine"));
  irq_chip_.SetLine(gsi, level);
  return absl::OkStatus();
}

absl::StatusOr<bool> FakeVm::SignalMsi(const MsiMessage& message) {
  RETURN_IF_ERROR(RequireIrqChip("SignalMsi"));
  return irq_chip_.SignalMsi(message);
}

absl::StatusOr<IrqChipState> FakeVm::GetIrqChip() {
  RETURN_IF_ERROR(RequireIrqChip("GetIrqChip"));
  MutexLock lock(mutex_);
  return irq_chip_state_;
}

absl::Status FakeVm::SetIrqChip(const IrqChipState& state) {
  RETURN_IF_ERROR(RequireIrqChip("SetIrqChip"));
  MutexLock lock(mutex_);
  irq_chip_state_ = state;
  return absl::OkStatus();
}

absl::StatusOr<ClockState> FakeVm::GetClock() {
  MutexLock lock(mutex_);
  return clock_;
}

absl::Status FakeVm::SetClock(const ClockState& state) {
  MutexLock lock(mutex_);
  clock_ = state;
  return absl::OkStatus();
}

}  // namespace touchstone
