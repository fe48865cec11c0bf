// The ioctl(2) of KVM with its error as a status that names the request.
//
//   RETURN_IF_ERROR(KVM_IOCTL(fd, KVM_SET_REGS, &regs).status());

#ifndef TOUCHSTONE_HYPERVISOR_KVM_KVM_IOCTL_H_
#define TOUCHSTONE_HYPERVISOR_KVM_KVM_IOCTL_H_

#include <cstdint>

#include "absl/status/statusor.h"

namespace touchstone {

// Returns what the request returned (0 or more). Interrupted calls are repeated; KVM_RUN, which
// must not be, does not come here. An error reads "KVM_SET_REGS: Invalid argument". Thread-safe.
absl::StatusOr<int> KvmIoctl(int fd, unsigned long request, const char* name, const void* argument);
absl::StatusOr<int> KvmIoctl(int fd, unsigned long request, const char* name, uint64_t argument);

}  // namespace touchstone

#define KVM_IOCTL(fd, request, argument) \
  ::touchstone::KvmIoctl((fd), (request), #request, (argument))

#endif  // TOUCHSTONE_HYPERVISOR_KVM_KVM_IOCTL_H_
