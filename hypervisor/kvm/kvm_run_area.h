// The mapping that KVM and user space share per vCPU (api.rst 5).
//
// Thread-compatible; movable.

#ifndef TOUCHSTONE_HYPERVISOR_KVM_KVM_RUN_AREA_H_
#define TOUCHSTONE_HYPERVISOR_KVM_KVM_RUN_AREA_H_

#include <cstddef>
#include <utility>

#include "absl/status/statusor.h"
#include "hypervisor/kvm/kvm_abi.h"

namespace touchstone {

class KvmRunArea {
 public:
  // `size` is what KVM_GET_VCPU_MMAP_SIZE says.
  static absl::StatusOr<KvmRunArea> Map(int vcpu_fd, size_t size);

  KvmRunArea(KvmRunArea&& other) noexcept
      : run_(std::exchange(other.run_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  KvmRunArea& operator=(KvmRunArea&&) = delete;
  ~KvmRunArea();

  [[nodiscard]] kvm_run& run() const { return *run_; }
  [[nodiscard]] size_t size() const { return size_; }

 private:
  KvmRunArea(kvm_run* run, size_t size) : run_(run), size_(size) {}

  kvm_run* run_;
  size_t size_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_KVM_KVM_RUN_AREA_H_
