// What snapshots of a bare-metal guest with 128 MiB cost, with the program as it is run:
//
//   ci/bazel run --config=opt //bench/snapshot:snapshot_report [RUNS [MACHINES]]
//
// Prints the time of `snapshot take`, of a start until the guest's first byte and the same of
// machines that go on from a snapshot (median [least] of RUNS, 20 unless given), then the memory
// (PSS) of MACHINES (20) that were started, and that went on from one snapshot, with all their
// processes.

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/log.h"
#include "integration/control/controlled_machine.h"
#include "integration/testing/child_process.h"
#include "integration/testing/runfiles.h"

namespace touchstone {
namespace {

constexpr absl::Duration kLimit = absl::Seconds(60);

using Options = std::vector<std::string>;

std::unique_ptr<ChildProcess> Start(const Options& options) {
  Options line = {Runfile("vmm/touchstone"), "run", "--mem=128"};
  line.insert(line.end(), options.begin(), options.end());
  line.push_back(Runfile("integration/guests/snapshot_guest"));
  return ChildProcess::Start(std::move(line), ChildProcess::Streams::kPipes).value();
}

void AwaitBytes(ChildProcess& machine, size_t count) {
  const absl::Time deadline = absl::Now() + kLimit;
  while (machine.output().size() < count) {
    machine.Pump(kLimit);
    CHECK(absl::Now() < deadline && !machine.output_ended());
  }
}

void Kill(ChildProcess& machine) {
  machine.Signal(SIGKILL);
  CHECK(machine.Wait(kLimit).ok());
}

// "median [least]" in ms.
std::string Measure(int runs, const std::function<absl::Duration()>& run) {
  std::vector<absl::Duration> times;
  for (int i = 0; i < runs; ++i) times.push_back(run());
  std::sort(times.begin(), times.end());
  return absl::StrFormat("%6.1f [%.1f] ms", absl::ToDoubleMilliseconds(times[times.size() / 2]),
                         absl::ToDoubleMilliseconds(times.front()));
}

absl::Duration FirstByte(const Options& options) {
  const absl::Time start = absl::Now();
  const std::unique_ptr<ChildProcess> machine = Start(options);
  AwaitBytes(*machine, 1);
  const absl::Duration time = absl::Now() - start;
  Kill(*machine);
  return time;
}

// A process and those that it has made, in KiB.
uint64_t PssOf(const std::string& pid) {
  uint64_t sum = 0;
  std::ifstream rollup(absl::StrCat("/proc/", pid, "/smaps_rollup"));
  for (std::string word; rollup >> word;) {
    if (word == "Pss:") rollup >> sum;
  }
  for (const auto& thread :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/task"))) {
    std::ifstream children(thread.path() / "children");
    for (std::string child; children >> child;) sum += PssOf(child);
  }
  return sum;
}

// MiB for each machine.
double MemoryOf(int machines, const Options& options) {
  // Until each has looked at all that it keeps.
  constexpr size_t kBytes = 2000;
  std::vector<std::unique_ptr<ChildProcess>> running;
  for (int i = 0; i < machines; ++i) running.push_back(Start(options));
  for (const auto& machine : running) AwaitBytes(*machine, kBytes);
  uint64_t sum = 0;
  for (const auto& machine : running) sum += PssOf(absl::StrCat(machine->pid()));
  for (const auto& machine : running) Kill(*machine);
  return static_cast<double>(sum) / 1024 / machines;
}

void Report(int runs, int machines) {
  const ShortFolder folder;
  const std::string socket = folder.path() + "/socket";
  const std::string raw = folder.path() + "/raw";
  const std::string small = folder.path() + "/compressed";
  {
    const std::unique_ptr<ChildProcess> machine = Start({"--socket=" + socket});
    AwaitBytes(*machine, 500);
    const auto take = [&](const std::string& path, const char* flag) {
      return Measure(runs, [&] {
        std::filesystem::remove_all(path);
        const absl::Time start = absl::Now();
        const Said said = Control({"snapshot", "take", flag, path, socket});
        if (said.status != 0) fputs(said.err.c_str(), stderr);
        CHECK(said.status == 0);
        return absl::Now() - start;
      });
    };
    absl::PrintF("%-35s %s\n", "take", take(raw, "--"));
    absl::PrintF("%-35s %s\n", "take --compress-memory", take(small, "--compress-memory"));
    Kill(*machine);
  }
  const auto print = [&](const char* name, const Options& options) {
    absl::PrintF("%-35s %s\n", name, Measure(runs, [&] { return FirstByte(options); }));
  };
  print("start", {});
  print("restore", {"--restore=" + raw});
  print("restore, compressed", {"--restore=" + small});
  const std::string free = "--disable-sandbox";
  print("start, no sandbox", {free});
  print("restore, no sandbox", {free, "--restore=" + raw});
  print("restore, no sandbox, compressed", {free, "--restore=" + small});
  const auto print_memory = [&](const char* name, const Options& options) {
    absl::PrintF("%-35s %6.1f MiB each of %d\n", name, MemoryOf(machines, options), machines);
  };
  print_memory("memory, started", {});
  print_memory("memory, restored", {"--restore=" + raw});
  print_memory("memory, started, no sandbox", {free});
  print_memory("memory, restored, no sandbox", {free, "--restore=" + raw});
}

}  // namespace
}  // namespace touchstone

int main(int argc, char** argv) {
  const int runs = argc > 1 ? atoi(argv[1]) : 20;
  const int machines = argc > 2 ? atoi(argv[2]) : 20;
  if (runs < 1 || machines < 1) {
    fputs("usage: snapshot_report [RUNS [MACHINES]]\n", stderr);
    return 2;
  }
  touchstone::Report(runs, machines);
  return 0;
}
