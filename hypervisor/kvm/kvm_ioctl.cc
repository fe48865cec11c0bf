#include "hypervisor/kvm/kvm_ioctl.h"

#include <sys/ioctl.h>

#include <cerrno>

#include "base/status.h"

namespace touchstone {

absl::StatusOr<int> KvmIoctl(int fd, unsigned long request, const char* name,
                             const void* argument) {
  return KvmIoctl(fd, request, name, reinterpret_cast<uint64_t>(argument));
}

absl::StatusOr<int> KvmIoctl(int fd, unsigned long request, const char* name, uint64_t argument) {
  int result = -1;
  do {
    result = ioctl(fd, request, argument);
  } while (result < 0 && errno == EINTR);
  if (result < 0) return ErrnoStatus(errno, name);
  return result;
}

}  // namespace touchstone
