// Reading and writing many MSRs of a vCPU.
//
// KVM_GET_MSRS and KVM_SET_MSRS stop at the first MSR they refuse and take a limited number at a
// time (api.rst 4.18 and 4.19); these go on behind it.

#ifndef TOUCHSTONE_HYPERVISOR_KVM_KVM_MSRS_H_
#define TOUCHSTONE_HYPERVISOR_KVM_KVM_MSRS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hypervisor/x86_64/state.h"

namespace touchstone {

// See Vcpu::GetMsrs and Vcpu::SetMsrs.
absl::StatusOr<std::vector<Msr>> GetKvmMsrs(int vcpu_fd, absl::Span<const uint32_t> indices);
absl::StatusOr<std::vector<uint32_t>> SetKvmMsrs(int vcpu_fd, absl::Span<const Msr> msrs);

// KVM_GET_MSR_INDEX_LIST: the MSRs that make up a vCPU's state.
absl::StatusOr<std::vector<uint32_t>> ListKvmMsrs(int kvm_fd);

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_KVM_KVM_MSRS_H_
