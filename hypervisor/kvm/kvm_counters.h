// What KVM counts of a vCPU, by name (api.rst 4.133, KVM_GET_STATS_FD).
//
// Thread-safe.

#ifndef TOUCHSTONE_HYPERVISOR_KVM_KVM_COUNTERS_H_
#define TOUCHSTONE_HYPERVISOR_KVM_KVM_COUNTERS_H_

#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/scoped_fd.h"
#include "hypervisor/vcpu_counter.h"

namespace touchstone {

class KvmCounters {
 public:
  // Of no vCPU: there is nothing to read.
  KvmCounters() = default;
  // Takes what KVM_GET_STATS_FD returned.
  explicit KvmCounters(ScopedFd fd) : fd_(std::move(fd)) {}

  // The running totals; levels, peaks and histograms are left out. Errors: the file does not have
  // the form that KVM documents.
  [[nodiscard]] absl::StatusOr<std::vector<VcpuCounter>> Read() const;

 private:
  ScopedFd fd_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_KVM_KVM_COUNTERS_H_
