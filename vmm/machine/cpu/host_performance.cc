#include "vmm/machine/cpu/host_performance.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/read_file.h"
#include "base/status.h"

namespace touchstone {
namespace {

constexpr uint64_t kMostBytes = 4096;  // what sysfs gives

struct Source {
  const char* name;
  uint32_t AcpiPerformance::* value;
};

constexpr Source kSources[] = {
    {"highest_perf", &AcpiPerformance::highest},
    {"nominal_perf", &AcpiPerformance::nominal},
    {"lowest_nonlinear_perf", &AcpiPerformance::lowest_nonlinear},
    {"lowest_perf", &AcpiPerformance::lowest},
    {"reference_perf", &AcpiPerformance::reference},
    {"lowest_freq", &AcpiPerformance::lowest_mhz},
    {"nominal_freq", &AcpiPerformance::nominal_mhz},
};

absl::StatusOr<uint32_t> ReadNumber(const std::string& path) {
  ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, ReadFile(path, kMostBytes));
  const std::string text(bytes.begin(), bytes.end());
  uint32_t value = 0;
  if (absl::SimpleAtoi(text, &value)) return value;
  return absl::FailedPreconditionError(
      absl::StrCat(path, ": '", absl::StripAsciiWhitespace(text), "' is no number of 32 bits"));
}

}  // namespace

absl::StatusOr<std::vector<AcpiPerformance>> ReadHostPerformance(uint32_t count,
                                                                 absl::string_view folder) {
  std::vector<AcpiPerformance> cpus(count);
  for (uint32_t cpu = 0; cpu < count; ++cpu) {
    for (const Source& source : kSources) {
      ASSIGN_OR_RETURN(cpus[cpu].*source.value,
                       ReadNumber(absl::StrCat(folder, "/cpu", cpu, "/acpi_cppc/", source.name)));
    }
  }
  return cpus;
}

}  // namespace touchstone
