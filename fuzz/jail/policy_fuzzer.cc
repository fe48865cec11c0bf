// Policy files: whatever they say, the answer is an error that names a place, or a policy whose
// filter the kernel would take and which says of every call what the policy says.
//
// Files are separated by lines of "---": the first is the policy, the others are what @include
// finds, by their number: "@include 1".

#include <linux/audit.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "base/log.h"
#include "vmm/jail/filter.h"
#include "vmm/jail/filter_testing.h"
#include "vmm/jail/policy_parser.h"

namespace touchstone {
namespace {

constexpr size_t kLongest = 8192;
constexpr size_t kMaxRules = 16;  // That are tried out.

// The calls that a check tells apart, all arguments alike.
void CheckAround(const Policy& policy, const Filter& filter, int number, uint64_t value) {
  for (const uint64_t argument :
       {value - 1, value, value + 1, ~value, value << 32, uint64_t{0}, UINT64_MAX}) {
    const seccomp_data call = {
        .nr = number,
        .arch = AUDIT_ARCH_X86_64,
        .args = {argument, argument, argument, argument, argument, argument}};
    CHECK(RunFilter(filter, call) == Judge(policy, call));
  }
}

void CheckFilter(const Policy& policy, const Filter& filter) {
  for (size_t i = 0; i < policy.rules.size() && i < kMaxRules; ++i) {
    const SyscallRule& rule = policy.rules[i];
    CheckAround(policy, filter, rule.number, 31);
    CheckAround(policy, filter, rule.number + 1, 31);
    if (rule.any_of.empty()) continue;
    CHECK(rule.any_of.size() <= kMaxAlternatives);
    for (const ArgumentCheck& check : rule.any_of.back()) {
      CheckAround(policy, filter, rule.number, check.value);
    }
  }
  CHECK(ParseFilterBytes(FilterBytes(filter)).ok());
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace touchstone;  // NOLINT(google-build-using-namespace): the entry point has to be
                               // C's
  if (size == 0 || size > kLongest) return 0;
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  const std::vector<absl::string_view> files = absl::StrSplit(input, "\n---\n");
  const absl::StatusOr<Policy> policy =
      ParsePolicy(files[0], "policy", [&](const std::string& name) -> absl::StatusOr<std::string> {
        size_t index = 0;
        if (!absl::SimpleAtoi(name, &index) || index >= files.size()) {
          return absl::NotFoundError("no such file");
        }
        return std::string(files[index]);
      });
  if (!policy.ok()) {
    CHECK(absl::StrContains(policy.status().message(), ":"));
    return 0;
  }
  const absl::StatusOr<Filter> filter = CompileFilter(*policy);
  if (filter.ok()) CheckFilter(*policy, *filter);
  return 0;
}
