#include "hypervisor/kvm/kvm_capabilities.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "hypervisor/kvm/kvm_abi.h"

namespace touchstone {
namespace {

struct Capability {
  int number;
  const char* name;
};

constexpr Capability kRequired[] = {
    {KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP"},
    {KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
    {KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR"},
    {KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
    {KVM_CAP_NR_VCPUS, "KVM_CAP_NR_VCPUS"},
    {KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE"},
    {KVM_CAP_DESTROY_MEMORY_REGION_WORKS, "KVM_CAP_DESTROY_MEMORY_REGION_WORKS"},
    {KVM_CAP_SET_GUEST_DEBUG, "KVM_CAP_SET_GUEST_DEBUG"},
    {KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING"},
    {KVM_CAP_IRQFD, "KVM_CAP_IRQFD"},
    {KVM_CAP_IRQFD_RESAMPLE, "KVM_CAP_IRQFD_RESAMPLE"},
    {KVM_CAP_PIT2, "KVM_CAP_PIT2"},
    {KVM_CAP_PIT_STATE2, "KVM_CAP_PIT_STATE2"},
    {KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD"},
    {KVM_CAP_IOEVENTFD_ANY_LENGTH, "KVM_CAP_IOEVENTFD_ANY_LENGTH"},
    {KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR"},
    {KVM_CAP_ADJUST_CLOCK, "KVM_CAP_ADJUST_CLOCK"},
    {KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS"},
    {KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS"},
    {KVM_CAP_XSAVE, "KVM_CAP_XSAVE"},
    {KVM_CAP_XCRS, "KVM_CAP_XCRS"},
    {KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI"},
    {KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM"},
    {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
};

}  // namespace

absl::StatusOr<KvmCapabilities> ReadKvmCapabilities(absl::FunctionRef<int(int capability)> check) {
  std::vector<std::string> missing;
  for (const Capability& capability : kRequired) {
    if (check(capability.number) <= 0) missing.emplace_back(capability.name);
  }
  if (!missing.empty()) {
    return absl::UnimplementedError(absl::StrCat("KVM lacks ", absl::StrJoin(missing, ", ")));
  }
  KvmCapabilities capabilities;
  // api.rst 4.4: KVM_CAP_MAX_VCPUS may be absent; then the recommended number is all there is.
  capabilities.max_vcpus =
      static_cast<uint32_t>(std::max(check(KVM_CAP_MAX_VCPUS), check(KVM_CAP_NR_VCPUS)));
  capabilities.sync_regs = (check(KVM_CAP_SYNC_REGS) & KVM_SYNC_X86_REGS) != 0;
  capabilities.smm = check(KVM_CAP_X86_SMM) > 0;
  capabilities.exception_payload = check(KVM_CAP_EXCEPTION_PAYLOAD) > 0;
  capabilities.triple_fault_event = check(KVM_CAP_X86_TRIPLE_FAULT_EVENT) > 0;
  capabilities.xsave2 = check(KVM_CAP_XSAVE2) > 0;
  capabilities.split_irq_chip = check(KVM_CAP_SPLIT_IRQCHIP) > 0;
  // api.rst 7.20 (KVM_CAP_X86_BUS_LOCK_EXIT): the modes that the processor can do.
  capabilities.bus_lock_exit =
      (check(KVM_CAP_X86_BUS_LOCK_EXIT) & KVM_BUS_LOCK_DETECTION_EXIT) != 0;
  capabilities.unknown_msr_exit = check(KVM_CAP_X86_USER_SPACE_MSR) > 0;
  capabilities.tsc_khz = check(KVM_CAP_GET_TSC_KHZ) > 0;
  capabilities.tsc_deadline_timer = check(KVM_CAP_TSC_DEADLINE_TIMER) > 0;
  return capabilities;
}

}  // namespace touchstone
