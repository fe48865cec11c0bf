#include "hypervisor/fake/fake_hypervisor.h"

namespace touchstone {

FakeVm* FakeHypervisor::vm() const {
  MutexLock lock(mutex_);
  return vm_;
}

absl::StatusOr<std::unique_ptr<Vm>> FakeHypervisor::CreateVm() {
  auto vm = std::make_unique<FakeVm>(max_vcpus_, on_vcpu_, optional_exits_);
  MutexLock lock(mutex_);
  vm_ = vm.get();
  return vm;
}

}  // namespace touchstone
