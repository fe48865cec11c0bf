#include "vmm/config/cpu_set.h"

#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "vmm/config/text.h"
#include "vmm/config/value.h"

namespace touchstone {
namespace {

std::optional<uint32_t> ParseCpu(absl::string_view text) {
  const std::optional<uint64_t> number = ParseUnsigned(text, 0, kMostHostCpus - 1);
  if (!number.has_value()) return std::nullopt;
  return static_cast<uint32_t>(*number);
}

absl::Status NoSet(absl::string_view text) {
  return absl::InvalidArgumentError(absl::StrCat(
      Quote(text), " is no set of CPUs such as 0,2-3, each from 0 to ", kMostHostCpus - 1));
}

}  // namespace

absl::StatusOr<std::vector<uint32_t>> ParseCpuSet(absl::string_view text) {
  std::set<uint32_t> cpus;
  for (const absl::string_view element : absl::StrSplit(text, ',')) {
    const std::pair<absl::string_view, absl::string_view> ends =
        absl::StrSplit(element, absl::MaxSplits('-', 1));
    const bool range = absl::StrContains(element, '-');
    const std::optional<uint32_t> first = ParseCpu(ends.first);
    const std::optional<uint32_t> last = range ? ParseCpu(ends.second) : first;
    if (!first.has_value() || !last.has_value() || *first > *last) return NoSet(text);
    for (uint32_t cpu = *first; cpu <= *last; ++cpu) cpus.insert(cpu);
  }
  return std::vector<uint32_t>(cpus.begin(), cpus.end());
}

absl::StatusOr<CpuAffinity> ParseCpuAffinity(absl::string_view text) {
  CpuAffinity affinity;
  if (!absl::StrContains(text, '=')) {
    ASSIGN_OR_RETURN(affinity.all, ParseCpuSet(text));
    return affinity;
  }
  for (const absl::string_view element : absl::StrSplit(text, ':')) {
    const std::pair<absl::string_view, absl::string_view> sides =
        absl::StrSplit(element, absl::MaxSplits('=', 1));
    const std::optional<uint32_t> vcpu = ParseCpu(sides.first);
    if (!vcpu.has_value() || !absl::StrContains(element, '=')) {
      return absl::InvalidArgumentError(
          absl::StrCat(Quote(element), " is no virtual CPU and its set such as 0=0,2-3"));
    }
    ASSIGN_OR_RETURN(std::vector<uint32_t> cpus, ParseCpuSet(sides.second));
    if (!affinity.by_vcpu.emplace(*vcpu, std::move(cpus)).second) {
      return absl::InvalidArgumentError(absl::StrCat("virtual CPU ", *vcpu, " is given twice"));
    }
  }
  return affinity;
}

}  // namespace touchstone
