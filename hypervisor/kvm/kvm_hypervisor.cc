#include "hypervisor/kvm/kvm_hypervisor.h"

#include <fcntl.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "hypervisor/kvm/kick_signal.h"
#include "hypervisor/kvm/kvm_abi.h"
#include "hypervisor/kvm/kvm_ioctl.h"
#include "hypervisor/kvm/kvm_msrs.h"
#include "hypervisor/kvm/kvm_state.h"
#include "hypervisor/kvm/kvm_vm.h"

namespace touchstone {
namespace {

// api.rst 4.1: the only version there is.
constexpr int kApiVersion = 12;
// Linux arch/x86/include/asm/kvm_host.h, KVM_MAX_CPUID_ENTRIES.
constexpr uint32_t kMaxCpuidEntries = 256;
constexpr uint32_t kEcxTscDeadlineTimer = 1u << 24;  // of leaf 1 (Intel SDM volume 2, CPUID)

absl::StatusOr<std::unique_ptr<Hypervisor>> CheckKvm(absl::string_view path, ScopedFd fd) {
  ASSIGN_OR_RETURN(const int version, KVM_IOCTL(fd.get(), KVM_GET_API_VERSION, uint64_t{0}));
  if (version != kApiVersion) {
    return absl::UnimplementedError(
        absl::StrCat("KVM API version ", version, ", need ", kApiVersion));
  }
  ASSIGN_OR_RETURN(const KvmCapabilities capabilities, ReadKvmCapabilities([&fd](int capability) {
                     return KVM_IOCTL(fd.get(), KVM_CHECK_EXTENSION,
                                      static_cast<uint64_t>(capability))
                         .value_or(0);
                   }));
  ASSIGN_OR_RETURN(const int run_area_size,
                   KVM_IOCTL(fd.get(), KVM_GET_VCPU_MMAP_SIZE, uint64_t{0}));
  RETURN_IF_ERROR(InstallKickSignal());
  return std::make_unique<KvmHypervisor>(std::string(path), std::move(fd),
                                         static_cast<size_t>(run_area_size), capabilities);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Hypervisor>> OpenKvm(absl::string_view path) {
  ASSIGN_OR_RETURN(ScopedFd fd, OpenFile(path, O_RDWR));
  absl::StatusOr<std::unique_ptr<Hypervisor>> hypervisor = CheckKvm(path, std::move(fd));
  if (!hypervisor.ok()) return Annotate(hypervisor.status(), path);
  return hypervisor;
}

absl::StatusOr<std::unique_ptr<Vm>> KvmHypervisor::CreateVm() {
  const absl::StatusOr<int> fd = KVM_IOCTL(fd_.get(), KVM_CREATE_VM, uint64_t{0});
  if (!fd.ok()) return Annotate(fd.status(), path_);
  absl::StatusOr<std::unique_ptr<KvmVm>> vm =
      KvmVm::Create(ScopedFd(*fd), run_area_size_, capabilities_);
  if (!vm.ok()) return Annotate(vm.status(), path_);
  return *std::move(vm);
}

absl::StatusOr<std::vector<CpuidEntry>> KvmHypervisor::SupportedCpuid() {
  std::vector<uint8_t> buffer(sizeof(kvm_cpuid2) + kMaxCpuidEntries * sizeof(kvm_cpuid_entry2));
  kvm_cpuid2 header = {};
  header.nent = kMaxCpuidEntries;
  std::memcpy(buffer.data(), &header, sizeof(header));
  RETURN_IF_ERROR(KVM_IOCTL(fd_.get(), KVM_GET_SUPPORTED_CPUID, buffer.data()).status());
  std::memcpy(&header, buffer.data(), sizeof(header));
  std::vector<CpuidEntry> entries;
  const uint32_t count = std::min(header.nent, kMaxCpuidEntries);
  entries.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    kvm_cpuid_entry2 entry;
    std::memcpy(&entry, buffer.data() + sizeof(header) + i * sizeof(entry), sizeof(entry));
    // api.rst 4.46: the list leaves this bit out, whatever the in-kernel local APIC can do.
    if (entry.function == 1 && capabilities_.tsc_deadline_timer) entry.ecx |= kEcxTscDeadlineTimer;
    entries.push_back(FromKvm(entry));
  }
  return entries;
}

absl::StatusOr<std::vector<uint32_t>> KvmHypervisor::StateMsrs() { return ListKvmMsrs(fd_.get()); }

}  // namespace touchstone
