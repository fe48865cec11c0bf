#include "hypervisor/kvm/kvm_vm.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "hypervisor/kvm/kvm_abi.h"
#include "hypervisor/kvm/kvm_ioctl.h"
#include "hypervisor/kvm/kvm_irq_routing.h"
#include "hypervisor/kvm/kvm_irqchip_state.h"

namespace touchstone {
namespace {

absl::Status EnableCapability(int vm_fd, uint32_t number, uint64_t argument = 1) {
  kvm_enable_cap capability = {};
  capability.cap = number;
  capability.args[0] = argument;
  return KVM_IOCTL(vm_fd, KVM_ENABLE_CAP, &capability).status();
}

// api.rst 4.35: the size, the host address and KVM_MEM_READONLY of a slot are fixed; it can only
// move or change whether it is logged.
bool CanModify(const MemorySlot& from, const MemorySlot& to) {
  return from.size == to.size && from.host == to.host && from.read_only == to.read_only;
}

}  // namespace

absl::StatusOr<std::unique_ptr<KvmVm>> KvmVm::Create(ScopedFd fd, size_t run_area_size,
                                                     const KvmCapabilities& capabilities) {
  // api.rst 4.33 and 4.67: both before the first vCPU.
  uint64_t identity_map = kIdentityMapAddress;
  RETURN_IF_ERROR(KVM_IOCTL(fd.get(), KVM_SET_IDENTITY_MAP_ADDR, &identity_map).status());
  RETURN_IF_ERROR(KVM_IOCTL(fd.get(), KVM_SET_TSS_ADDR, kTssAddress).status());
  // api.rst 7.12 and 7.35: without these a pending exception or triple fault cannot be saved.
  if (capabilities.exception_payload) {
    RETURN_IF_ERROR(EnableCapability(fd.get(), KVM_CAP_EXCEPTION_PAYLOAD));
  }
  if (capabilities.triple_fault_event) {
    RETURN_IF_ERROR(EnableCapability(fd.get(), KVM_CAP_X86_TRIPLE_FAULT_EVENT));
  }
  KvmVcpu::Sizes sizes = {.run_area = run_area_size, .xsave = sizeof(kvm_xsave)};
  if (capabilities.xsave2) {
    ASSIGN_OR_RETURN(const int xsave,
                     KVM_IOCTL(fd.get(), KVM_CHECK_EXTENSION, uint64_t{KVM_CAP_XSAVE2}));
    sizes.xsave = std::max(sizes.xsave, static_cast<size_t>(xsave));
  }
  return std::unique_ptr<KvmVm>(new KvmVm(std::move(fd), sizes, capabilities));
}

absl::Status KvmVm::SetRegion(uint32_t slot, const MemorySlot& memory) {
  kvm_userspace_memory_region region = {};
  region.slot = slot;
  region.flags = (memory.read_only ? uint32_t{KVM_MEM_READONLY} : 0) |
                 (memory.log_dirty ? uint32_t{KVM_MEM_LOG_DIRTY_PAGES} : 0);
  region.guest_phys_addr = Raw(memory.start);
  region.memory_size = memory.size;
  region.userspace_addr = reinterpret_cast<uint64_t>(memory.host);
  return Annotate(KVM_IOCTL(fd_.get(), KVM_SET_USER_MEMORY_REGION, &region).status(),
                  absl::StrCat("memory slot ", slot, " at 0x", absl::Hex(Raw(memory.start)),
                               " of 0x", absl::Hex(memory.size), " bytes"));
}

absl::Status KvmVm::SetMemory(uint32_t slot, const MemorySlot& memory) {
  MutexLock lock(mutex_);
  const auto old = slots_.find(slot);
  const bool remove = memory.size == 0;
  if (old != slots_.end() && (remove || !CanModify(old->second, memory))) {
    RETURN_IF_ERROR(SetRegion(slot, MemorySlot{}));
    slots_.erase(old);
  }
  if (remove) return absl::OkStatus();
  RETURN_IF_ERROR(SetRegion(slot, memory));
  slots_[slot] = memory;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<uint64_t>> KvmVm::TakeDirtyLog(uint32_t slot) {
  constexpr uint64_t kPageSize = 4096;
  constexpr uint64_t kPagesPerWord = 64;
  MutexLock lock(mutex_);
  const auto found = slots_.find(slot);
  if (found == slots_.end() || !found->second.log_dirty) {
    return absl::FailedPreconditionError(
        absl::StrCat("memory slot ", slot, " does not log dirty pages"));
  }
  const uint64_t pages = found->second.size / kPageSize;
  std::vector<uint64_t> bitmap((pages + kPagesPerWord - 1) / kPagesPerWord);
  kvm_dirty_log log = {};
  log.slot = slot;
  log.dirty_bitmap = bitmap.data();
  RETURN_IF_ERROR(KVM_IOCTL(fd_.get(), KVM_GET_DIRTY_LOG, &log).status());
  return bitmap;
}

absl::Status KvmVm::CreateIrqChip() {
  RETURN_IF_ERROR(KVM_IOCTL(fd_.get(), KVM_CREATE_IRQCHIP, uint64_t{0}).status());
  // The dummy answers port 0x61, which Linux calibrates its TSC with.
  kvm_pit_config pit = {};
  pit.flags = KVM_PIT_SPEAKER_DUMMY;
  return KVM_IOCTL(fd_.get(), KVM_CREATE_PIT2, &pit).status();
}

absl::Status KvmVm::SetBootCpu(uint32_t id) {
  RETURN_IF_ERROR(KVM_IOCTL(fd_.get(), KVM_SET_BOOT_CPU_ID, uint64_t{id}).status());
  MutexLock lock(mutex_);
  boot_cpu_ = id;
  return absl::OkStatus();
}

absl::Status KvmVm::CreateSplitIrqChip(uint32_t ioapic_pins, ExternalInterrupts& external) {
  if (!capabilities_.split_irq_chip) {
    return absl::UnimplementedError("KVM lacks KVM_CAP_SPLIT_IRQCHIP");
  }
  // api.rst 7.5.
  RETURN_IF_ERROR(EnableCapability(fd_.get(), KVM_CAP_SPLIT_IRQCHIP, ioapic_pins));
  MutexLock lock(mutex_);
  external_ = &external;
  return absl::OkStatus();
}

absl::Status KvmVm::EnableExit(OptionalExit exit) {
  switch (exit) {
    case OptionalExit::kBusLock:
      if (!capabilities_.bus_lock_exit) {
        return absl::UnimplementedError(
            "KVM lacks KVM_CAP_X86_BUS_LOCK_EXIT: the host's processor does not detect bus locks");
      }
      return EnableCapability(fd_.get(), KVM_CAP_X86_BUS_LOCK_EXIT, KVM_BUS_LOCK_DETECTION_EXIT);
    case OptionalExit::kUnknownMsr:
      if (!capabilities_.unknown_msr_exit) {
        return absl::UnimplementedError("KVM lacks KVM_CAP_X86_USER_SPACE_MSR");
      }
      return EnableCapability(fd_.get(), KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_UNKNOWN);
  }
  return absl::UnimplementedError("an unknown exit");
}

absl::StatusOr<std::unique_ptr<Vcpu>> KvmVm::CreateVcpu(uint32_t id,
                                                        absl::Span<const CpuidEntry> cpuid) {
  const absl::StatusOr<int> fd = KVM_IOCTL(fd_.get(), KVM_CREATE_VCPU, uint64_t{id});
  if (!fd.ok()) return Annotate(fd.status(), absl::StrCat("vCPU ", id));
  MutexLock lock(mutex_);
  absl::StatusOr<std::unique_ptr<KvmVcpu>> vcpu = KvmVcpu::Create(
      ScopedFd(*fd), sizes_, capabilities_, cpuid, id == boot_cpu_ ? external_ : nullptr);
  if (!vcpu.ok()) return Annotate(vcpu.status(), absl::StrCat("vCPU ", id));
  return *std::move(vcpu);
}

absl::Status KvmVm::IoEventRequest(const IoEvent& io_event, const EventFd& event, uint32_t flags) {
  kvm_ioeventfd request = {};
  request.addr = io_event.address;
  request.len = io_event.size;
  request.fd = event.fd();
  request.flags = flags;
  if (io_event.space == IoEvent::Space::kPort) request.flags |= KVM_IOEVENTFD_FLAG_PIO;
  if (io_event.match.has_value()) {
    request.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
    request.datamatch = *io_event.match;
  }
  // KVM refuses sizes other than 0, 1, 2, 4 and 8, and a match without a size (api.rst 4.59).
  return Annotate(KVM_IOCTL(fd_.get(), KVM_IOEVENTFD, &request).status(),
                  absl::StrCat("ioeventfd at 0x", absl::Hex(io_event.address)));
}

absl::Status KvmVm::AddIoEvent(const IoEvent& io_event, const EventFd& event) {
  return IoEventRequest(io_event, event, 0);
}

absl::Status KvmVm::RemoveIoEvent(const IoEvent& io_event, const EventFd& event) {
  return IoEventRequest(io_event, event, KVM_IOEVENTFD_FLAG_DEASSIGN);
}

absl::Status KvmVm::AddIrqFd(uint32_t gsi, const EventFd& trigger, const EventFd* resample) {
  kvm_irqfd request = {};
  request.fd = static_cast<uint32_t>(trigger.fd());
  request.gsi = gsi;
  if (resample != nullptr) {
    request.flags = KVM_IRQFD_FLAG_RESAMPLE;
    request.resamplefd = static_cast<uint32_t>(resample->fd());
  }
  return Annotate(KVM_IOCTL(fd_.get(), KVM_IRQFD, &request).status(), absl::StrCat("GSI ", gsi));
}

absl::Status KvmVm::RemoveIrqFd(uint32_t gsi, const EventFd& trigger) {
  kvm_irqfd request = {};
  request.fd = static_cast<uint32_t>(trigger.fd());
  request.gsi = gsi;
  request.flags = KVM_IRQFD_FLAG_DEASSIGN;
  return Annotate(KVM_IOCTL(fd_.get(), KVM_IRQFD, &request).status(), absl::StrCat("GSI ", gsi));
}

absl::Status KvmVm::SetIrqRoutes(absl::Span<const IrqRoute> routes) {
  std::vector<uint8_t> buffer(sizeof(kvm_irq_routing) +
                              routes.size() * sizeof(kvm_irq_routing_entry));
  kvm_irq_routing header = {};
  header.nr = static_cast<uint32_t>(routes.size());
  std::memcpy(buffer.data(), &header, sizeof(header));
  uint8_t* next = buffer.data() + sizeof(header);
  for (const IrqRoute& route : routes) {
    const kvm_irq_routing_entry entry = ToKvm(route);
    std::memcpy(next, &entry, sizeof(entry));
    next += sizeof(entry);
  }
  return Annotate(KVM_IOCTL(fd_.get(), KVM_SET_GSI_ROUTING, buffer.data()).status(),
                  absl::StrCat(routes.size(), " interrupt routes"));
}

absl::Status KvmVm::SetIrqLine(uint32_t gsi, bool level) {
  kvm_irq_level line = {};
  line.irq = gsi;
  line.level = level ? 1 : 0;
  return Annotate(KVM_IOCTL(fd_.get(), KVM_IRQ_LINE, &line).status(), absl::StrCat("GSI ", gsi));
}

absl::StatusOr<bool> KvmVm::SignalMsi(const MsiMessage& message) {
  const kvm_msi msi = ToKvm(message);
  // api.rst 4.70: 0 says that the guest has the interrupt blocked, as an error of EPERM (its -1)
  // does that there is no such local APIC.
  const absl::StatusOr<int> taken = KVM_IOCTL(fd_.get(), KVM_SIGNAL_MSI, &msi);
  if (absl::IsPermissionDenied(taken.status())) return false;
  RETURN_IF_ERROR(taken.status());
  return *taken > 0;
}

absl::StatusOr<IrqChipState> KvmVm::GetIrqChip() { return GetKvmIrqChip(fd_.get()); }

absl::Status KvmVm::SetIrqChip(const IrqChipState& state) {
  return SetKvmIrqChip(fd_.get(), state);
}

absl::StatusOr<ClockState> KvmVm::GetClock() {
  kvm_clock_data clock = {};
  RETURN_IF_ERROR(KVM_IOCTL(fd_.get(), KVM_GET_CLOCK, &clock).status());
  return ClockState{.nanoseconds = clock.clock};
}

absl::Status KvmVm::SetClock(const ClockState& state) {
  kvm_clock_data clock = {};
  clock.clock = state.nanoseconds;
  return KVM_IOCTL(fd_.get(), KVM_SET_CLOCK, &clock).status();
}

}  // namespace touchstone
