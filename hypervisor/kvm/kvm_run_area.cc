#include "hypervisor/kvm/kvm_run_area.h"

#include <sys/mman.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace touchstone {

absl::StatusOr<KvmRunArea> KvmRunArea::Map(int vcpu_fd, size_t size) {
  if (size < sizeof(kvm_run)) {
    return absl::InternalError(
        absl::StrCat("KVM_GET_VCPU_MMAP_SIZE: ", size, " bytes are too few"));
  }
  void* mapping = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_fd, 0);
  if (mapping == MAP_FAILED) return ErrnoStatus(errno, "mmap of the vCPU's run area");
  return KvmRunArea(static_cast<kvm_run*>(mapping), size);
}

KvmRunArea::~KvmRunArea() {
  if (run_ != nullptr) munmap(run_, size_);
}

}  // namespace touchstone
