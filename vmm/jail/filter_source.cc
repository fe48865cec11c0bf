#include "vmm/jail/filter_source.h"

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/read_file.h"
#include "base/status.h"
#include "vmm/jail/builtin_policies.h"
#include "vmm/jail/policy_parser.h"

namespace touchstone {
namespace {

absl::StatusOr<std::string> ReadText(const std::string& path) {
  ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, ReadFile(path, kMaxPolicyBytes));
  return std::string(bytes.begin(), bytes.end());
}

void LogInsteadOfForbid(SyscallAction& action) {
  if (action.kind == SyscallAction::Kind::kForbid) action.kind = SyscallAction::Kind::kLog;
}

absl::StatusOr<Policy> LoadPolicy(const FilterSource& source, absl::string_view name) {
  if (source.directory.empty()) return BuiltinPolicy(name);
  const std::string path = absl::StrCat(source.directory, "/", name, ".policy");
  ASSIGN_OR_RETURN(const std::string text, ReadText(path));
  return ParsePolicy(text, path, [&](const std::string& file) {
    return ReadText(file[0] == '/' ? file : absl::StrCat(source.directory, "/", file));
  });
}

}  // namespace

absl::StatusOr<Filter> LoadFilter(const FilterSource& source, absl::string_view name) {
  if (!source.directory.empty() && !source.log_failures) {
    const std::string path = absl::StrCat(source.directory, "/", name, ".bpf");
    const absl::StatusOr<std::string> bytes = ReadText(path);
    if (bytes.ok()) {
      absl::StatusOr<Filter> filter = ParseFilterBytes(*bytes);
      if (filter.ok()) return filter;
      return Annotate(filter.status(), absl::StrCat("--seccomp-policy-dir: ", path));
    }
    if (!absl::IsNotFound(bytes.status())) return Annotate(bytes.status(), "--seccomp-policy-dir");
  }
  absl::StatusOr<Policy> policy = LoadPolicy(source, name);
  if (!policy.ok()) {
    return source.directory.empty() ? policy.status()
                                    : Annotate(policy.status(), "--seccomp-policy-dir");
  }
  if (source.log_failures) {
    LogInsteadOfForbid(policy->fallback);
    for (SyscallRule& rule : policy->rules) {
      LogInsteadOfForbid(rule.then);
      LogInsteadOfForbid(rule.otherwise);
    }
  }
  return CompileFilter(*policy);
}

}  // namespace touchstone
