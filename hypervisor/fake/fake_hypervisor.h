// A hypervisor that works without KVM: its VMs keep what they are told and their vCPUs follow
// scripts.
//
//   FakeHypervisor hypervisor;
//   hypervisor.OnVcpu([](FakeVcpu& vcpu) { vcpu.Script(FakeExit::Out(0x604, 2, 0x2000)); });
//   ... BuildMachine(config, hypervisor, ...) and run it ...
//   EXPECT_EQ(hypervisor.vm()->slots().size(), 2);
//
// Thread-safe; OnVcpu and the setters come before CreateVm.

#ifndef TOUCHSTONE_HYPERVISOR_FAKE_FAKE_HYPERVISOR_H_
#define TOUCHSTONE_HYPERVISOR_FAKE_FAKE_HYPERVISOR_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "hypervisor/fake/fake_vm.h"
#include "hypervisor/hypervisor.h"

namespace touchstone {

class FakeHypervisor final : public Hypervisor {
 public:
  // Calls `on_vcpu` with every vCPU that the VMs created from now on create.
  void OnVcpu(std::function<void(FakeVcpu&)> on_vcpu) { on_vcpu_ = std::move(on_vcpu); }
  void set_supported_cpuid(std::vector<CpuidEntry> cpuid) { cpuid_ = std::move(cpuid); }
  void set_state_msrs(std::vector<uint32_t> msrs) { state_msrs_ = std::move(msrs); }
  void set_max_vcpus(uint32_t max_vcpus) { max_vcpus_ = max_vcpus; }
  // What EnableExit of the VMs knows; at first all.
  void set_optional_exits(std::set<OptionalExit> exits) { optional_exits_ = std::move(exits); }

  // The VM created last, nullptr before; valid while its owner keeps it.
  [[nodiscard]] FakeVm* vm() const;

  absl::StatusOr<std::unique_ptr<Vm>> CreateVm() override;
  absl::StatusOr<std::vector<CpuidEntry>> SupportedCpuid() override { return cpuid_; }
  absl::StatusOr<std::vector<uint32_t>> StateMsrs() override { return state_msrs_; }
  [[nodiscard]] uint32_t max_vcpus() const override { return max_vcpus_; }

 private:
  std::function<void(FakeVcpu&)> on_vcpu_;
  // SDM vol. 2, CPUID: the vendor leaf, then a 64-bit processor with a local APIC, x2APIC and
  // XSAVE.
  std::vector<CpuidEntry> cpuid_ = {
      {.function = 0x0, .eax = 0x1, .ebx = 0x756E6547, .ecx = 0x6C65746E, .edx = 0x49656E69},
      {.function = 0x1, .eax = 0x000306A9, .ecx = 0x04200000, .edx = 0x078BFBFF},
      {.function = 0x80000000, .eax = 0x80000008},
      {.function = 0x80000001, .edx = 0x20100800},
      {.function = 0x80000008, .eax = 0x00003028},
  };
  // SDM vol. 4: IA32_TIME_STAMP_COUNTER, IA32_APIC_BASE, IA32_EFER, IA32_KERNEL_GS_BASE.
  std::vector<uint32_t> state_msrs_ = {0x10, 0x1B, 0xC0000080, 0xC0000102};
  uint32_t max_vcpus_ = 1024;
  std::set<OptionalExit> optional_exits_ = {OptionalExit::kBusLock, OptionalExit::kUnknownMsr};

  mutable Mutex mutex_;
  FakeVm* vm_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_FAKE_FAKE_HYPERVISOR_H_
