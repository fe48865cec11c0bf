// Sets of CPUs as options write them (crosvm.md 1.1, CPUSET; 1.5, --cpu-affinity).

#ifndef TOUCHSTONE_VMM_CONFIG_CPU_SET_H_
#define TOUCHSTONE_VMM_CONFIG_CPU_SET_H_

#include <cstdint>
#include <map>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace touchstone {

// Linux's default for CPU_SETSIZE, and the most that its sets of this size hold.
inline constexpr uint32_t kMostHostCpus = 1024;

// "0,2-3": numbers and ranges, separated by commas, each below kMostHostCpus; sorted, each once.
// InvalidArgument, saying what is accepted, for anything else.
absl::StatusOr<std::vector<uint32_t>> ParseCpuSet(absl::string_view text);

// The host CPUs of each vCPU.
struct CpuAffinity {
  // Of those that are not in by_vcpu; empty when they may run anywhere.
  std::vector<uint32_t> all;
  std::map<uint32_t, std::vector<uint32_t>> by_vcpu;

  [[nodiscard]] const std::vector<uint32_t>& Of(uint32_t vcpu) const {
    const auto found = by_vcpu.find(vcpu);
    return found == by_vcpu.end() ? all : found->second;
  }
};

// "0,2-3" for all vCPUs, or "0=0:1=2-3", in which no vCPU is there twice. Errors as above.
absl::StatusOr<CpuAffinity> ParseCpuAffinity(absl::string_view text);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_CPU_SET_H_
