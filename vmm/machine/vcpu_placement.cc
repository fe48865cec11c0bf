#include "vmm/machine/vcpu_placement.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/log.h"
#include "base/read_file.h"
#include "base/scoped_fd.h"
#include "base/status.h"
#include "vmm/config/cpu_set.h"

namespace touchstone {
namespace {

// crosvm.md 9.5.
constexpr int kRealtimePriority = 6;

static_assert(kMostHostCpus == CPU_SETSIZE);

void Complain(const char* call, int error) {
  LOG(kWarning, "vcpu", "%s of thread %d: %s", call, gettid(), strerror(error));
}

bool IsAffected(const char* vulnerability) {
  constexpr uint64_t kLimit = 4096;
  const absl::StatusOr<std::vector<uint8_t>> text =
      ReadFile(absl::StrCat("/sys/devices/system/cpu/vulnerabilities/", vulnerability), kLimit);
  if (!text.ok()) return false;
  return !absl::StartsWith(
      absl::string_view(reinterpret_cast<const char*>(text->data()), text->size()), "Not affected");
}

}  // namespace

VcpuPlacement PlanPlacement(const RunConfig& config, uint32_t vcpu, bool leaky) {
  VcpuPlacement placement = {.cgroup = config.vcpu_cgroup_path()};
  if (config.has_cpu_affinity()) {
    const absl::StatusOr<CpuAffinity> affinity = ParseCpuAffinity(config.cpu_affinity());
    CHECK(affinity.ok());
    placement.host_cpus = affinity->Of(vcpu);
  }
  // crosvm.md 1.3: vCPU i runs on CPU i.
  if (config.host_cpu_topology()) placement.host_cpus = {vcpu};
  placement.realtime =
      std::find(config.rt_cpus().begin(), config.rt_cpus().end(), vcpu) != config.rt_cpus().end();
  placement.delay_realtime = placement.realtime && config.delay_rt();
  placement.own_core_cookie = leaky && config.core_scheduling() && !config.per_vm_core_scheduling();
  return placement;
}

bool HostThreadsLeak() { return IsAffected("mds") || IsAffected("l1tf"); }

void TakeCoreCookie() {
  // Linux, admin-guide/hw-vuln/core-scheduling: pid 0 is the caller, scope 0 is one thread.
  if (prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, PR_SCHED_CORE_SCOPE_THREAD, 0) == 0) return;
  // ENODEV: the cores have one thread each. EINVAL: the kernel has no core scheduling.
  if (errno != ENODEV) Complain("PR_SCHED_CORE_CREATE", errno);
}

absl::Status ApplyPlacement(const VcpuPlacement& placement) {
  if (!placement.cgroup.empty()) RETURN_IF_ERROR(JoinCgroup(placement.cgroup, gettid()));
  if (!placement.host_cpus.empty()) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    for (const uint32_t cpu : placement.host_cpus) CPU_SET(cpu, &cpus);
    if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0) Complain("sched_setaffinity", errno);
  }
  if (placement.own_core_cookie) TakeCoreCookie();
  if (placement.realtime && !placement.delay_realtime) {
    if (absl::Status status = TakeRealtimePriority(pthread_self()); !status.ok()) {
      LOG(kWarning, "vcpu", "thread %d: %s", gettid(), status.message());
    }
  }
  return absl::OkStatus();
}

absl::Status TakeRealtimePriority(pthread_t thread) {
  const sched_param parameter = {.sched_priority = kRealtimePriority};
  const int error = pthread_setschedparam(thread, SCHED_RR, &parameter);
  return error == 0 ? absl::OkStatus() : ErrnoStatus(error, "sched_setscheduler");
}

absl::Status JoinCgroup(const std::string& path, pid_t id) {
  const std::string tasks = absl::StrCat(path, "/tasks");
  absl::StatusOr<ScopedFd> fd = OpenFile(tasks, O_WRONLY);
  if (!fd.ok()) return Annotate(fd.status(), "--vcpu-cgroup-path");
  const std::string text = absl::StrCat(id);
  if (write(fd->get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return Annotate(ErrnoStatus(errno, absl::StrCat("write of ", id, " to ", tasks)),
                    "--vcpu-cgroup-path");
  }
  return absl::OkStatus();
}

}  // namespace touchstone
