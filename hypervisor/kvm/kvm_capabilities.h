// What this project needs of a KVM, and what it uses when it is there (Linux
// Documentation/virt/kvm/api.rst, KVM_CHECK_EXTENSION).

#ifndef TOUCHSTONE_HYPERVISOR_KVM_KVM_CAPABILITIES_H_
#define TOUCHSTONE_HYPERVISOR_KVM_KVM_CAPABILITIES_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

namespace touchstone {

struct KvmCapabilities {
  uint32_t max_vcpus = 0;
  // Registers are copied to the run area at each exit (KVM_CAP_SYNC_REGS).
  bool sync_regs = false;
  // State that KVM_SET_VCPU_EVENTS takes only from kernels that know it.
  bool smm = false;
  bool exception_payload = false;
  bool triple_fault_event = false;
  // KVM_GET_XSAVE2 is there; the size of the state is then asked of the VM.
  bool xsave2 = false;
  // The local APICs can be had without the other interrupt controllers.
  bool split_irq_chip = false;
  // A vCPU can leave the guest at each bus lock: the processor tells them.
  bool bus_lock_exit = false;
  // Accesses to MSRs that KVM does not know can be answered here.
  bool unknown_msr_exit = false;
  // The frequency of a vCPU's time stamp counter can be asked for.
  bool tsc_khz = false;
  // The local APIC's timer may run against the TSC.
  bool tsc_deadline_timer = false;
};

// Asks `check`, which answers as KVM_CHECK_EXTENSION does (0 is no). The error names every
// capability that is missing.
absl::StatusOr<KvmCapabilities> ReadKvmCapabilities(absl::FunctionRef<int(int capability)> check);

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_KVM_KVM_CAPABILITIES_H_
