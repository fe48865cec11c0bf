#include "bench/peers/kvm_counters.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace touchstone {
namespace {

constexpr char kKvm[] = "/sys/kernel/debug/kvm/";
constexpr char kTracing[] = "/sys/kernel/debug/tracing/";
constexpr size_t kRows = 30;

// Histograms that the kernel keeps, by event.
const std::map<std::string, std::string>& Histograms() {
  static const auto* const histograms = new std::map<std::string, std::string>{
      {"kvm/kvm_exit", "hist:keys=exit_reason"},
      {"kvm/kvm_pio", "hist:keys=rw,port.hex"},
      {"kvm/kvm_mmio", "hist:keys=type,gpa.hex"},
      {"kvm/kvm_msr", "hist:keys=write,ecx.hex"},
      {"raw_syscalls/sys_enter", "hist:keys=common_pid.execname,id.syscall"},
      {"sched/sched_switch", "hist:keys=next_comm"},
  };
  return *histograms;
}

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

uint64_t ReadCounter(const char* name) {
  uint64_t number = 0;
  return absl::SimpleAtoi(ReadText(absl::StrCat(kKvm, name)), &number) ? number : 0;
}

void WriteText(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

uint64_t Difference(uint64_t after, uint64_t before) { return after - std::min(after, before); }

}  // namespace

KvmCounters ReadKvmCounters() {
  return {.exits = ReadCounter("exits"),
          .to_user = ReadCounter("fpu_reload"),
          .io = ReadCounter("io_exits"),
          .mmio = ReadCounter("mmio_exits"),
          .halts = ReadCounter("halt_exits"),
          .faults = ReadCounter("pf_fixed")};
}

KvmCounters operator-(const KvmCounters& after, const KvmCounters& before) {
  return {.exits = Difference(after.exits, before.exits),
          .to_user = Difference(after.to_user, before.to_user),
          .io = Difference(after.io, before.io),
          .mmio = Difference(after.mmio, before.mmio),
          .halts = Difference(after.halts, before.halts),
          .faults = Difference(after.faults, before.faults)};
}

void StopHaltPolling() { WriteText("/sys/module/kvm/parameters/halt_poll_ns", "0\n"); }

void TraceKvm(bool on) {
  for (const auto& [event, histogram] : Histograms()) {
    WriteText(absl::StrCat(kTracing, "events/", event, "/trigger"),
              absl::StrCat(on ? "" : "!", histogram, "\n"));
  }
}

void PrintKvmTrace(uint64_t operations) {
  for (const auto& [event, histogram] : Histograms()) {
    std::printf("%s\n", event.c_str());
    std::vector<std::pair<uint64_t, std::string>> rows;
    const std::string text = ReadText(absl::StrCat(kTracing, "events/", event, "/hist"));
    for (absl::string_view line : absl::StrSplit(text, '\n')) {
      const std::vector<absl::string_view> parts = absl::StrSplit(line, "hitcount:");
      uint64_t count = 0;
      if (parts.size() == 2 && absl::SimpleAtoi(parts[1], &count)) {
        rows.emplace_back(count, std::string(parts[0]));
      }
    }
    std::sort(rows.rbegin(), rows.rend());
    if (rows.size() > kRows) rows.resize(kRows);
    for (const auto& [count, key] : rows) {
      if (operations == 1) {
        std::printf("  %8llu %s\n", static_cast<unsigned long long>(count), key.c_str());
      } else {
        std::printf("  %8.3f %s\n", static_cast<double>(count) / static_cast<double>(operations),
                    key.c_str());
      }
    }
  }
}

}  // namespace touchstone
