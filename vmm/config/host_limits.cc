#include "vmm/config/host_limits.h"

#include <cpuid.h>
#include <unistd.h>

#include <algorithm>

namespace touchstone {
namespace {

// Intel SDM volume 2, CPUID: leaf 7, EDX.
constexpr unsigned int kHybrid = 1 << 15;
// Leaf 6, EAX.
constexpr unsigned int kHwp = 1 << 7;

constexpr char kPerformance[] = "/sys/devices/system/cpu/cpu0/acpi_cppc";

}  // namespace

HostLimits ReadHostLimits(const RunConfig& config) {
  HostLimits limits;
  unsigned int eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid(0x80000008, &eax, &ebx, &ecx, &edx) != 0) {
    limits.physical_address_bits = static_cast<int>(eax & 0xff);
  }
  if (config.host_cpu_topology()) limits.cpus = OnlineCpus();
  if (config.cpus().has_core_types() && __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0) {
    limits.hybrid = (edx & kHybrid) != 0;
  }
  if (config.enable_hwp() && __get_cpuid(6, &eax, &ebx, &ecx, &edx) != 0) {
    limits.hwp = (eax & kHwp) != 0;
  }
  if (config.itmt()) limits.performance = access(kPerformance, F_OK) == 0;
  return limits;
}

uint32_t OnlineCpus() { return static_cast<uint32_t>(std::max(sysconf(_SC_NPROCESSORS_ONLN), 1L)); }

}  // namespace touchstone
