// What the host says that its processors can do (Documentation/admin-guide/acpi/cppc_sysfs.rst in
// Linux), for a guest that shall know the fastest (--itmt).

#ifndef TOUCHSTONE_VMM_MACHINE_CPU_HOST_PERFORMANCE_H_
#define TOUCHSTONE_VMM_MACHINE_CPU_HOST_PERFORMANCE_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "vmm/machine/acpi/acpi_config.h"

namespace touchstone {

// Of the host CPUs 0 to count - 1, from `folder`/cpuN/acpi_cppc. Errors name the file and the
// reason. Thread-safe.
absl::StatusOr<std::vector<AcpiPerformance>> ReadHostPerformance(uint32_t count,
                                                                 absl::string_view folder);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_CPU_HOST_PERFORMANCE_H_
