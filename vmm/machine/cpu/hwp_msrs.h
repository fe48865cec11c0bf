// The registers with which a guest controls hardware P-states (--enable-hwp, Intel SDM volume 3,
// 15.4): those of the host CPU that the vCPU runs on, as --host-cpu-topology has it.
//
//   ASSIGN_OR_RETURN(std::unique_ptr<HwpMsrs> msrs, HwpMsrs::Open(vcpus));
//   msrs->Read(vcpu, kMsrHwpCapabilities, value);
//
// A guest chooses its CPUs' performance within what the processor allows and no more: it cannot
// turn hardware P-states off, and reads what else it may see.
//
// Thread-safe.

#ifndef TOUCHSTONE_VMM_MACHINE_CPU_HWP_MSRS_H_
#define TOUCHSTONE_VMM_MACHINE_CPU_HWP_MSRS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/scoped_fd.h"

namespace touchstone {

// Intel SDM volume 4.
inline constexpr uint32_t kMsrPlatformInfo = 0xCE;
inline constexpr uint32_t kMsrMperf = 0xE7;
inline constexpr uint32_t kMsrAperf = 0xE8;
inline constexpr uint32_t kMsrTurboRatioLimit = 0x1AD;
inline constexpr uint32_t kMsrPmEnable = 0x770;
inline constexpr uint32_t kMsrHwpCapabilities = 0x771;
inline constexpr uint32_t kMsrHwpRequest = 0x774;
inline constexpr uint32_t kMsrHwpStatus = 0x777;

class HwpMsrs {
 public:
  // Opens the msr devices (msr(4)) of the host CPUs 0 to count - 1 below `folder`. Errors name the
  // device and the reason. FailedPrecondition when the host does without hardware P-states.
  static absl::StatusOr<std::unique_ptr<HwpMsrs>> Open(uint32_t count,
                                                       absl::string_view folder = "/dev/cpu");

  // False where the guest gets a fault: there is no such register, or not for it.
  bool Read(uint32_t vcpu, uint32_t index, uint64_t& value) const;
  bool Write(uint32_t vcpu, uint32_t index, uint64_t value) const;

  // What the vCPU's MSR_PLATFORM_INFO is to say, which the hypervisor answers and not Read: the
  // range of frequencies without turbo, beside the CPUID faulting that KVM offers.
  [[nodiscard]] uint64_t PlatformInfo(uint32_t vcpu) const;

 private:
  explicit HwpMsrs(std::vector<ScopedFd> devices) : devices_(std::move(devices)) {}

  const std::vector<ScopedFd> devices_;  // By vCPU.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_CPU_HWP_MSRS_H_
