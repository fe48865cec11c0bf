#include "bench/peers/load_run.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "bench/peers/kvm_counters.h"
#include "bench/peers/monitor_process.h"

namespace touchstone {
namespace {

constexpr absl::Duration kLimit = absl::Minutes(10);

// CPU time of the process's threads that do not run a vCPU, in nanoseconds.
uint64_t DeviceTime(pid_t pid) {
  uint64_t total = 0;
  std::error_code error;
  for (const auto& task :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/task"), error)) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    if (absl::StartsWith(name, "vcpu") || absl::StartsWith(name, "CPU ")) continue;
    uint64_t running = 0;
    if (std::ifstream(task.path() / "schedstat") >> running) total += running;
  }
  return total;
}

double Of(uint64_t count, uint64_t baseline, uint64_t operations) {
  return (static_cast<double>(count) - static_cast<double>(baseline)) /
         static_cast<double>(operations);
}

}  // namespace

absl::StatusOr<std::vector<LoadCost>> RunLoads(const std::vector<std::string>& command,
                                               bool trace) {
  ASSIGN_OR_RETURN(const std::unique_ptr<MonitorProcess> monitor, MonitorProcess::Start(command));
  std::vector<LoadCost> costs;
  KvmCounters nothing;
  uint64_t nothing_time = 0;
  while (true) {
    ASSIGN_OR_RETURN(const std::string begin, monitor->AwaitLine("load ", kLimit));
    if (begin == "done") return costs;
    if (!absl::StartsWith(begin, "begin ")) return absl::UnknownError(absl::StrCat("load ", begin));
    if (trace) TraceKvm(true);
    const KvmCounters before = ReadKvmCounters();
    const uint64_t time_before = DeviceTime(monitor->pid());
    ASSIGN_OR_RETURN(const std::string end, monitor->AwaitLine("load ", kLimit));
    const KvmCounters counted = ReadKvmCounters() - before;
    const uint64_t time = DeviceTime(monitor->pid()) - time_before;
    const std::vector<std::string> words = absl::StrSplit(end, ' ');
    uint64_t operations = 0;
    uint64_t nanoseconds = 0;
    if (words.size() != 4 || words[0] != "end" || !absl::SimpleAtoi(words[2], &operations) ||
        !absl::SimpleAtoi(words[3], &nanoseconds)) {
      return absl::UnknownError(absl::StrCat("load ", end));
    }
    if (trace) {
      std::printf("\n%s: for each of %llu operations\n", words[1].c_str(),
                  static_cast<unsigned long long>(operations));
      PrintKvmTrace(std::max<uint64_t>(1, operations));
      TraceKvm(false);
    }
    if (operations == 0) {
      nothing = counted;
      nothing_time = time;
      continue;
    }
    costs.push_back({.name = words[1],
                     .operations = operations,
                     .microseconds = Of(nanoseconds, 0, operations) / 1000,
                     .device_microseconds = Of(time, nothing_time, operations) / 1000,
                     .exits = Of(counted.exits, nothing.exits, operations),
                     .to_user = Of(counted.to_user, nothing.to_user, operations),
                     .halts = Of(counted.halts, nothing.halts, operations)});
    const LoadCost& cost = costs.back();
    std::fprintf(stderr,
                 "%s: %.2f us, device %.2f us, %.3f exits, %.3f to user space, %.3f halts\n",
                 cost.name.c_str(), cost.microseconds, cost.device_microseconds, cost.exits,
                 cost.to_user, cost.halts);
  }
}

void LoadTable::Add(const std::string& peer, const std::vector<LoadCost>& costs) {
  for (const LoadCost& cost : costs) rows_.push_back({.peer = peer, .cost = cost});
}

std::string LoadTable::Format() const {
  std::vector<std::string> loads;
  for (const Row& row : rows_) {
    if (std::find(loads.begin(), loads.end(), row.cost.name) == loads.end()) {
      loads.push_back(row.cost.name);
    }
  }
  std::string text;
  for (const std::string& load : loads) {
    double reference = 0;
    for (const Row& row : rows_) {
      if (row.cost.name == load && row.peer == reference_) reference = row.cost.microseconds;
    }
    absl::StrAppendFormat(&text, "%-30s %9s %7s %9s %9s %9s %9s\n", load, "us/op", "ratio",
                          "device us", "exits/op", "to user", "halts");
    for (const Row& row : rows_) {
      if (row.cost.name != load) continue;
      const std::string ratio =
          reference > 0 ? absl::StrFormat("%.2f", row.cost.microseconds / reference) : "-";
      absl::StrAppendFormat(&text, "  %-28s %9.2f %7s %9.2f %9.3f %9.3f %9.3f\n", row.peer,
                            row.cost.microseconds, ratio, row.cost.device_microseconds,
                            row.cost.exits, row.cost.to_user, row.cost.halts);
    }
  }
  return text;
}

}  // namespace touchstone
