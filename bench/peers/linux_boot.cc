// Boots one Linux guest under Touchstone and under QEMU, one after the other, and prints how long
// each took until the guest's init, what KVM counted until then, and what the idle monitor holds
// afterwards. Runs in the KVM lab, as root; in_lab.sh starts it there.
//
//   linux_boot_main [--trace] [--rounds N] [--only NAME] TOUCHSTONE KERNEL INITRAMFS
//
// Columns: seconds from the start of the process to the marker that the guest's init prints
// (virtual seconds under `ci/lab --icount`); all KVM exits until then, those that went to user
// space (fpu_reload: once a KVM_RUN), page faults fixed; PSS of all mappings but the guest's
// memory after an idle second, threads, descriptors; voluntary context switches in five idle
// seconds of all the monitor's threads, and of those among them that are called vcpu (Touchstone's
// vCPUs; QEMU's threads have no names of their own, so its vCPU is in the first figure only).
// --trace prints KVM's exit reasons and the ports and addresses that left the kernel as well; it
// slows the guest down, so its times do not count.

#include <sys/types.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "bench/peers/kvm_counters.h"
#include "bench/peers/monitor_process.h"

namespace touchstone {
namespace {

constexpr char kMarker[] = "linux-boot-is-up";
constexpr char kCommandLine[] = "console=ttyS0 quiet nokaslr panic=-1";
constexpr uint64_t kGuestMib = 256;
constexpr absl::Duration kLimit = absl::Seconds(100);

struct Peer {
  std::string name;
  std::vector<std::string> command;
};

std::vector<Peer> Peers(const std::string& touchstone, const std::string& kernel,
                        const std::string& initramfs) {
  const std::string memory = absl::StrCat(kGuestMib);
  const auto qemu = [&](absl::string_view machine) {
    return QemuCommand(machine, kGuestMib, kernel, initramfs, kCommandLine);
  };
  std::vector<std::string> ours = {touchstone, "run",      "--mem",      memory, "--initrd",
                                   initramfs,  "--params", kCommandLine, kernel};
  std::vector<std::string> bare = ours;
  bare.insert(bare.end() - 1, {"--no-rng", "--no-balloon"});
  std::vector<std::string> split = ours;
  split.insert(split.end() - 1, {"--irqchip", "split"});
  return {
      {"touchstone", std::move(ours)},
      {"split irqchip", std::move(split)},  // Touchstone with controllers of its own.
      {"touchstone -", std::move(bare)},    // Without its default virtio devices, as QEMU is here.
      {"QEMU pc", qemu("pc")},
      {"QEMU q35", qemu("q35")},
      {"QEMU microvm", qemu("microvm")},
  };
}

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The monitor's own memory, in KiB: all but writable mappings of at least half the guest's size.
uint64_t OwnPss(pid_t pid, uint64_t* huge) {
  uint64_t total = 0, size = 0;
  bool writable = false;
  for (absl::string_view line :
       absl::StrSplit(ReadText(absl::StrCat("/proc/", pid, "/smaps")), '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (words.size() >= 5 && !absl::EndsWith(words[0], ":")) {
      writable = absl::StartsWith(words[1], "rw");
      continue;
    }
    uint64_t value = 0;
    if (words.size() < 2 || !absl::SimpleAtoi(words[1], &value)) continue;
    const bool guest = writable && size >= kGuestMib * 1024 / 2;
    if (words[0] == "Size:") size = value;
    if (words[0] == "Pss:" && !guest) total += value;
    if (words[0] == "AnonHugePages:" && guest) *huge += value;
  }
  return total;
}

size_t CountEntries(const std::string& folder) {
  std::error_code error;
  const std::filesystem::directory_iterator entries(folder, error);
  return static_cast<size_t>(std::distance(begin(entries), end(entries)));
}

// Of all threads whose name begins so, together.
uint64_t VoluntarySwitches(pid_t pid, const std::string& name_prefix) {
  uint64_t total = 0;
  std::error_code error;
  for (const auto& task :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/task"), error)) {
    if (!absl::StartsWith(ReadText(task.path().string() + "/comm"), name_prefix)) continue;
    for (absl::string_view line :
         absl::StrSplit(ReadText(task.path().string() + "/status"), '\n')) {
      uint64_t value = 0;
      if (absl::ConsumePrefix(&line, "voluntary_ctxt_switches:") &&
          absl::SimpleAtoi(absl::StripAsciiWhitespace(line), &value)) {
        total += value;
      }
    }
  }
  return total;
}

bool Measure(const Peer& peer, bool trace) {
  const KvmCounters before = ReadKvmCounters();
  if (trace) TraceKvm(true);
  const absl::Duration start = SystemClock().Monotonic();
  absl::StatusOr<std::unique_ptr<MonitorProcess>> monitor = MonitorProcess::Start(peer.command);
  absl::Status up = monitor.status();
  if (up.ok()) up = (*monitor)->AwaitLine(kMarker, kLimit).status();
  const double seconds = absl::ToDoubleSeconds(SystemClock().Monotonic() - start);
  const KvmCounters counted = ReadKvmCounters() - before;
  if (!up.ok()) {
    std::printf("%-14s %s\n", peer.name.c_str(), std::string(up.message()).c_str());
    if (trace) TraceKvm(false);
    return false;
  }
  std::printf("%-14s %7.3f %7llu %6llu %6llu %6llu %6llu %6llu", peer.name.c_str(), seconds,
              static_cast<unsigned long long>(counted.exits),
              static_cast<unsigned long long>(counted.to_user),
              static_cast<unsigned long long>(counted.faults),
              static_cast<unsigned long long>(counted.io),
              static_cast<unsigned long long>(counted.mmio),
              static_cast<unsigned long long>(counted.halts));
  if (trace) {
    std::printf("\n");
    PrintKvmTrace();
    TraceKvm(false);
  } else {
    const pid_t pid = (*monitor)->pid();
    sleep(1);
    uint64_t huge = 0;
    const uint64_t pss = OwnPss(pid, &huge);
    const uint64_t all = VoluntarySwitches(pid, "");
    const uint64_t vcpu = VoluntarySwitches(pid, "vcpu");
    sleep(5);
    std::printf(" %7llu %4zu %4zu %6llu %6llu %7llu\n", static_cast<unsigned long long>(pss),
                CountEntries(absl::StrCat("/proc/", pid, "/task")),
                CountEntries(absl::StrCat("/proc/", pid, "/fd")),
                static_cast<unsigned long long>(VoluntarySwitches(pid, "") - all),
                static_cast<unsigned long long>(VoluntarySwitches(pid, "vcpu") - vcpu),
                static_cast<unsigned long long>(huge / 1024));
  }
  std::fflush(stdout);
  return true;
}

}  // namespace

int Main(int argc, char** argv) {
  bool trace = false;
  int rounds = 1;
  std::string only;
  int next = 1;
  for (; next < argc && absl::StartsWith(argv[next], "--"); ++next) {
    const std::string option = argv[next];
    if (option == "--trace") {
      trace = true;
    } else if (option == "--rounds" && next + 1 < argc) {
      rounds = std::max(1, std::atoi(argv[++next]));
    } else if (option == "--only" && next + 1 < argc) {
      only = argv[++next];
    } else {
      next = argc;
    }
  }
  if (argc - next != 3) {
    std::fprintf(
        stderr,
        "usage: linux_boot [--trace] [--rounds N] [--only NAME] TOUCHSTONE KERNEL INITRAMFS\n");
    return 2;
  }
  StopHaltPolling();
  std::printf("%-14s %7s %7s %6s %6s %6s %6s %6s %7s %4s %4s %6s %6s %7s\n", "until init", "s",
              "exits", "user", "faults", "io", "mmio", "halts", "PSS/KiB", "thr", "fds", "wakes",
              "vcpu", "THP/MiB");
  bool all = true;
  for (int round = 0; round < rounds; ++round) {
    for (const Peer& peer : Peers(argv[next], argv[next + 1], argv[next + 2])) {
      if (!only.empty() && peer.name != only) continue;
      all = Measure(peer, trace) && all;
    }
  }
  return all ? 0 : 1;
}

}  // namespace touchstone

int main(int argc, char** argv) { return touchstone::Main(argc, argv); }
