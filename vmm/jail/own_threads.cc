#include "vmm/jail/own_threads.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "base/status.h"
#include "vmm/jail/builtin_policies.h"
#include "vmm/jail/filter_source.h"
#include "vmm/jail/violation.h"

// LeakSanitizer looks at the process from another one at the end, which no policy allows.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
namespace {
std::atomic<bool> g_confined{false};
}  // namespace
extern "C" int __lsan_is_turned_off() { return g_confined ? 1 : 0; }  // NOLINT: the sanitizer's.
#define TOUCHSTONE_NOTE_CONFINED() g_confined = true
#endif
#endif
#ifndef TOUCHSTONE_NOTE_CONFINED
#define TOUCHSTONE_NOTE_CONFINED()
#endif

namespace touchstone {
namespace {

constexpr uint64_t kSchedulingCapability = uint64_t{1} << CAP_SYS_NICE;

absl::Status Failed(const char* call) {
  return ErrnoStatus(errno, std::string("confining the main process: ") + call);
}

// capabilities(7): the sets are the thread's. What is not in the first cannot come back, since the
// bounding set counts in execve only, which no policy allows.
absl::Status KeepCapabilities(uint64_t kept) {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capget, &header, sets) != 0) return Failed("capget");
  for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; ++i) {
    const auto part = static_cast<uint32_t>(kept >> (32 * i));
    sets[i] = {.effective = sets[i].effective & part, .permitted = sets[i].permitted & part};
  }
  return syscall(SYS_capset, &header, sets) == 0 ? absl::OkStatus() : Failed("capset");
}

absl::Status Confine(uint64_t capabilities, const Filter& filter) {
  RETURN_IF_ERROR(KeepCapabilities(capabilities));
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Failed("PR_SET_NO_NEW_PRIVS");
  TOUCHSTONE_NOTE_CONFINED();
  return InstallFilter(filter, FilterScope::kThread) ? absl::OkStatus() : Failed("seccomp");
}

absl::StatusOr<Filter> FilterFor(absl::string_view policy, const OwnThreads::Options& options) {
  return LoadFilter({.log_failures = options.log_failures}, policy);
}

}  // namespace

absl::StatusOr<OwnThreads> OwnThreads::Prepare(Options options) {
  ASSIGN_OR_RETURN(
      Filter main,
      FilterFor(options.connects ? kConnectingThreadPolicy : kMainThreadPolicy, options));
  ASSIGN_OR_RETURN(Filter vcpu, FilterFor(kVcpuPolicy, options));
  if (!AnnounceViolations()) return Failed("sigaction SIGSYS");
  return OwnThreads(options, std::move(main), std::move(vcpu));
}

absl::Status OwnThreads::ConfineMain() const {
  return Confine(options_.keep_scheduling ? kSchedulingCapability : 0, main_);
}

absl::Status OwnThreads::ConfineBroker() const {
  ASSIGN_OR_RETURN(const Filter filter, FilterFor(kConnectingThreadPolicy, options_));
  return Confine(0, filter);
}

absl::Status OwnThreads::ConfineVcpu() const { return Confine(0, vcpu_); }

}  // namespace touchstone
