// What a vCPU's CPUID instruction answers: the leaves that the hypervisor supports on this host,
// with the guest's own topology in place of the host's.
//
//   ASSIGN_OR_RETURN(std::vector<CpuidEntry> supported, hypervisor.SupportedCpuid());
//   CpuidOptions options = {.topology = ChooseTopology(4, true), .index = 2};
//   vm.CreateVcpu(GuestApicId(options), GuestCpuid(supported, options));
//
// Left as the hypervisor reports it: features (among them the local APIC's TSC deadline timer), the
// caches' geometry, the hypervisor's own leaves from 0x40000000 (paravirtual clock, end of
// interrupt and so on). Not given: SGX (there is no enclave memory), memory encryption. Pure
// functions.

#ifndef TOUCHSTONE_VMM_MACHINE_CPU_CPUID_H_
#define TOUCHSTONE_VMM_MACHINE_CPU_CPUID_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "hypervisor/x86_64/state.h"
#include "vmm/machine/cpu/cpu_topology.h"
#include "vmm/machine/cpu/host_cpu.h"

namespace touchstone {

// What hybrid processors say of a core (Intel SDM volume 2, CPUID leaf 0x1A, EAX bits 31 to 24).
enum class CoreType : uint8_t { kAtom = 0x20, kCore = 0x40 };

struct CpuidOptions {
  CpuTopology topology;
  // Which vCPU: less than topology.vcpus().
  uint32_t index = 0;
  // Where it is, when that is not where `topology` has vCPU `index`: with clusters.
  std::optional<CpuPlace> place = std::nullopt;
  // Whether the local APIC has an x2APIC mode; the in-kernel one always does.
  bool x2apic = true;
  // Lets VMX or SVM through when the list has it.
  bool nested_virtualization = true;
  // Of the guest's TSC, in kHz; 0 when it is not known or not constant.
  uint32_t tsc_khz = 0;
  // Tells it on AMD's processors too, which reserve the leaf.
  bool force_tsc_leaf = false;
  // The processor's name, host_brand.h's as a rule: KVM does not tell it. At most 48 bytes are
  // seen; empty leaves what the list has.
  std::string brand;
  // When set, the place among threads, cores and caches is that of this host CPU, and `topology` is
  // not looked at. Borrowed.
  const HostCpu* host = nullptr;
  // The host's leaf 6 (power management), whose hardware P-states the guest is to have; none when
  // there is no such leaf in it. Borrowed.
  const CpuidEntry* hwp = nullptr;
  // With `hwp`: whether the guest learns that some of its processors are faster than others.
  bool turbo_boost_max = false;
  // For hybrid machines.
  std::optional<CoreType> core_type;
};

// The APIC id of that vCPU. REQUIRES: as for GuestCpuid.
uint32_t GuestApicId(const CpuidOptions& options);

// REQUIRES: options.index < options.topology.vcpus(), or options.host.
std::vector<CpuidEntry> GuestCpuid(absl::Span<const CpuidEntry> supported,
                                   const CpuidOptions& options);

// The width of a guest-physical address: what leaf 0x80000008 says, 36 without it (Intel SDM volume
// 3, 4.1.4), never less than 32 nor more than 52.
int PhysicalAddressBits(absl::Span<const CpuidEntry> supported);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_CPU_CPUID_H_
