#include "hypervisor/kvm/kvm_msrs.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "base/status.h"
#include "hypervisor/kvm/kvm_abi.h"
#include "hypervisor/kvm/kvm_ioctl.h"

namespace touchstone {
namespace {

// Linux arch/x86/kvm/x86.c takes fewer than MAX_IO_MSRS (256) at a time.
constexpr size_t kMaxMsrsPerCall = 128;

// The variable-length argument of the MSR requests: kvm_msrs with its entries.
struct MsrBatch {
  uint32_t count = 0;
  uint32_t pad = 0;
  kvm_msr_entry entries[kMaxMsrsPerCall] = {};
};
static_assert(offsetof(MsrBatch, entries) == sizeof(kvm_msrs));

}  // namespace

absl::StatusOr<std::vector<Msr>> GetKvmMsrs(int vcpu_fd, absl::Span<const uint32_t> indices) {
  std::vector<Msr> found;
  found.reserve(indices.size());
  while (!indices.empty()) {
    MsrBatch batch;
    batch.count = static_cast<uint32_t>(std::min(indices.size(), kMaxMsrsPerCall));
    for (uint32_t i = 0; i < batch.count; ++i) batch.entries[i].index = indices[i];
    ASSIGN_OR_RETURN(const int done, KVM_IOCTL(vcpu_fd, KVM_GET_MSRS, &batch));
    const uint32_t read = std::min(static_cast<uint32_t>(done), batch.count);
    for (uint32_t i = 0; i < read; ++i) {
      found.push_back({batch.entries[i].index, batch.entries[i].data});
    }
    indices.remove_prefix(read < batch.count ? read + 1 : read);
  }
  return found;
}

absl::StatusOr<std::vector<uint32_t>> SetKvmMsrs(int vcpu_fd, absl::Span<const Msr> msrs) {
  std::vector<uint32_t> refused;
  while (!msrs.empty()) {
    MsrBatch batch;
    batch.count = static_cast<uint32_t>(std::min(msrs.size(), kMaxMsrsPerCall));
    for (uint32_t i = 0; i < batch.count; ++i) {
      batch.entries[i].index = msrs[i].index;
      batch.entries[i].data = msrs[i].value;
    }
    ASSIGN_OR_RETURN(const int done, KVM_IOCTL(vcpu_fd, KVM_SET_MSRS, &batch));
    const uint32_t written = std::min(static_cast<uint32_t>(done), batch.count);
    if (written < batch.count) {
      refused.push_back(msrs[written].index);
      msrs.remove_prefix(written + 1);
    } else {
      msrs.remove_prefix(written);
    }
  }
  return refused;
}

absl::StatusOr<std::vector<uint32_t>> ListKvmMsrs(int kvm_fd) {
  // The first call, which has no room, fails with E2BIG but says how much is needed (api.rst 4.3).
  std::vector<uint32_t> list(1, 0);
  const absl::StatusOr<int> probe = KVM_IOCTL(kvm_fd, KVM_GET_MSR_INDEX_LIST, list.data());
  const uint32_t count = list[0];
  if (!probe.ok() && count == 0) return probe.status();
  list.resize(size_t{count} + 1);
  RETURN_IF_ERROR(KVM_IOCTL(kvm_fd, KVM_GET_MSR_INDEX_LIST, list.data()).status());
  const size_t filled = std::min<size_t>(list[0], count);
  return std::vector<uint32_t>(list.begin() + 1, list.begin() + 1 + static_cast<ptrdiff_t>(filled));
}

}  // namespace touchstone
