#include "vmm/machine/cpu/hwp_msrs.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "base/bits.h"
#include "base/status.h"

namespace touchstone {
namespace {

enum class OnWrite { kFault, kIgnore, kPass, kMustBeOne };

struct Rule {
  uint32_t index;
  OnWrite on_write;
};

// MSR_PLATFORM_INFO, SDM volume 4, table 2-45: the maximum non-turbo ratio and the minimum ratio.
constexpr uint64_t kNonTurboRatios = Mask<uint64_t>(15, 8) | Mask<uint64_t>(47, 40);
constexpr uint64_t kCpuidFaulting = Bit(31);

// SDM volume 3: 15.4.2 (IA32_PM_ENABLE, which stays set until a reset), 15.4.3 and 15.4.4 (the
// request is the guest's to make), 15.4.5 (what the status logs is the host's).
constexpr Rule kRules[] = {
    {kMsrMperf, OnWrite::kFault},           {kMsrAperf, OnWrite::kFault},
    {kMsrTurboRatioLimit, OnWrite::kFault}, {kMsrPmEnable, OnWrite::kMustBeOne},
    {kMsrHwpCapabilities, OnWrite::kFault}, {kMsrHwpRequest, OnWrite::kPass},
    {kMsrHwpStatus, OnWrite::kIgnore},
};

const Rule* Find(uint32_t index) {
  const auto* const found = std::find_if(std::begin(kRules), std::end(kRules),
                                         [&](const Rule& rule) { return rule.index == index; });
  return found == std::end(kRules) ? nullptr : found;
}

}  // namespace

absl::StatusOr<std::unique_ptr<HwpMsrs>> HwpMsrs::Open(uint32_t count, absl::string_view folder) {
  std::vector<ScopedFd> devices;
  for (uint32_t cpu = 0; cpu < count; ++cpu) {
    ASSIGN_OR_RETURN(ScopedFd device, OpenFile(absl::StrCat(folder, "/", cpu, "/msr"), O_RDWR));
    uint64_t enabled = 0;
    if (pread(device.get(), &enabled, sizeof(enabled), kMsrPmEnable) != sizeof(enabled) ||
        (enabled & 1) == 0) {
      return absl::FailedPreconditionError(
          absl::StrCat("the host has not turned the hardware P-states of CPU ", cpu, " on"));
    }
    devices.push_back(std::move(device));
  }
  return std::unique_ptr<HwpMsrs>(new HwpMsrs(std::move(devices)));
}

bool HwpMsrs::Read(uint32_t vcpu, uint32_t index, uint64_t& value) const {
  if (vcpu >= devices_.size() || Find(index) == nullptr) return false;
  return pread(devices_[vcpu].get(), &value, sizeof(value), index) == sizeof(value);
}

bool HwpMsrs::Write(uint32_t vcpu, uint32_t index, uint64_t value) const {
  const Rule* const rule = Find(index);
  if (vcpu >= devices_.size() || rule == nullptr) return false;
  switch (rule->on_write) {
    case OnWrite::kFault:
      return false;
    case OnWrite::kIgnore:
      return true;
    case OnWrite::kMustBeOne:
      return value == 1;
    case OnWrite::kPass:
      return pwrite(devices_[vcpu].get(), &value, sizeof(value), index) == sizeof(value);
  }
  return false;
}

uint64_t HwpMsrs::PlatformInfo(uint32_t vcpu) const {
  uint64_t value = 0;
  const int device = vcpu < devices_.size() ? devices_[vcpu].get() : -1;
  if (pread(device, &value, sizeof(value), kMsrPlatformInfo) != sizeof(value)) value = 0;
  return (value & kNonTurboRatios) | kCpuidFaulting;
}

}  // namespace touchstone
