// Boots one Linux guest under Touchstone and under QEMU, one after the other, and prints how long
// each took until the guest's init, what KVM counted until then, and what the idle monitor holds
// afterwards. Runs in the KVM lab, as root; linux_boot.sh starts it there.
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

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/scoped_fd.h"

extern char** environ;

namespace touchstone {
namespace {

constexpr char kMarker[] = "linux-boot-is-up";
constexpr char kCommandLine[] = "console=ttyS0 quiet nokaslr panic=-1";
constexpr char kKvm[] = "/sys/kernel/debug/kvm/";
constexpr char kTracing[] = "/sys/kernel/debug/tracing/";
constexpr uint64_t kGuestMib = 256;
constexpr absl::Duration kLimit = absl::Seconds(100);

struct Peer {
  std::string name;
  std::vector<std::string> command;
};

std::vector<Peer> Peers(const std::string& touchstone, const std::string& kernel,
                        const std::string& initramfs) {
  const std::string memory = absl::StrCat(kGuestMib);
  const auto qemu = [&](const std::string& machine) {
    return std::vector<std::string>{"qemu-system-x86_64",
                                    "-accel",
                                    "kvm",
                                    "-cpu",
                                    "host",
                                    "-M",
                                    machine,
                                    "-m",
                                    memory,
                                    "-smp",
                                    "1",
                                    "-nodefaults",
                                    "-no-user-config",
                                    "-display",
                                    "none",
                                    "-no-reboot",
                                    "-serial",
                                    "stdio",
                                    "-kernel",
                                    kernel,
                                    "-initrd",
                                    initramfs,
                                    "-append",
                                    kCommandLine};
  };
  return {
      {"touchstone",
       {touchstone, "run", "--mem", memory, "--initrd", initramfs, "--params", kCommandLine,
        kernel}},
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

void WriteText(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

uint64_t ReadNumber(const std::string& path) {
  uint64_t number = 0;
  return absl::SimpleAtoi(ReadText(path), &number) ? number : 0;
}

struct Counters {
  uint64_t exits, io, mmio, halts, to_user, faults;
};

Counters ReadCounters() {
  const auto read = [](const char* name) { return ReadNumber(absl::StrCat(kKvm, name)); };
  return {read("exits"),      read("io_exits"),   read("mmio_exits"),
          read("halt_exits"), read("fpu_reload"), read("pf_fixed")};
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

// The trace: kernel-side histograms.
const std::map<std::string, std::string> kHistograms = {
    {"kvm_exit", "hist:keys=exit_reason"},
    {"kvm_pio", "hist:keys=rw,port.hex"},
    {"kvm_mmio", "hist:keys=type,gpa.hex"},
    {"kvm_msr", "hist:keys=write,ecx.hex"},
};

void SetTrace(bool on) {
  for (const auto& [event, histogram] : kHistograms) {
    WriteText(absl::StrCat(kTracing, "events/kvm/", event, "/trigger"),
              absl::StrCat(on ? "" : "!", histogram, "\n"));
  }
}

void PrintTrace() {
  for (const auto& [event, histogram] : kHistograms) {
    std::printf("%s\n", event.c_str());
    std::vector<std::pair<uint64_t, std::string>> rows;
    for (absl::string_view line :
         absl::StrSplit(ReadText(absl::StrCat(kTracing, "events/kvm/", event, "/hist")), '\n')) {
      const std::vector<absl::string_view> parts = absl::StrSplit(line, "hitcount:");
      uint64_t count = 0;
      if (parts.size() == 2 && absl::SimpleAtoi(parts[1], &count)) {
        rows.emplace_back(count, std::string(parts[0]));
      }
    }
    std::sort(rows.rbegin(), rows.rend());
    if (rows.size() > 30) rows.resize(30);
    for (const auto& [count, key] : rows) {
      std::printf("  %8llu %s\n", static_cast<unsigned long long>(count), key.c_str());
    }
  }
}

// Waits for the marker; false at the end of the output or of the patience.
bool AwaitMarker(int fd) {
  const absl::Duration deadline = SystemClock().Monotonic() + kLimit;
  std::string output;
  char buffer[4096];
  while (!absl::StrContains(output, kMarker)) {
    pollfd wait = {fd, POLLIN, 0};
    const absl::Duration left = deadline - SystemClock().Monotonic();
    if (left <= absl::ZeroDuration() ||
        poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1) <= 0) {
      std::fprintf(stderr, "%s\n", output.c_str());
      return false;
    }
    const ssize_t size = read(fd, buffer, sizeof(buffer));
    if (size <= 0) {
      std::fprintf(stderr, "%s\n", output.c_str());
      return false;
    }
    output.append(buffer, static_cast<size_t>(size));
  }
  return true;
}

bool Measure(const Peer& peer, bool trace) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  const ScopedFd reader(ends[0]);
  ScopedFd writer(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, writer.get(), STDOUT_FILENO);
  std::vector<char*> argv;
  for (const std::string& word : peer.command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);

  const Counters before = ReadCounters();
  if (trace) SetTrace(true);
  const absl::Duration start = SystemClock().Monotonic();
  pid_t pid;
  const int error = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  writer.Reset();
  if (error != 0) {
    std::printf("%-14s %s\n", peer.name.c_str(), std::strerror(error));
    return false;
  }
  const bool up = AwaitMarker(reader.get());
  const double seconds = absl::ToDoubleSeconds(SystemClock().Monotonic() - start);
  const Counters after = ReadCounters();
  if (up) {
    std::printf("%-14s %7.3f %7llu %6llu %6llu %6llu %6llu %6llu", peer.name.c_str(), seconds,
                static_cast<unsigned long long>(after.exits - before.exits),
                static_cast<unsigned long long>(after.to_user - before.to_user),
                static_cast<unsigned long long>(after.faults - before.faults),
                static_cast<unsigned long long>(after.io - before.io),
                static_cast<unsigned long long>(after.mmio - before.mmio),
                static_cast<unsigned long long>(after.halts - before.halts));
    if (trace) {
      std::printf("\n");
      PrintTrace();
    } else {
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
  } else {
    std::printf("%-14s no marker\n", peer.name.c_str());
  }
  std::fflush(stdout);
  if (trace) SetTrace(false);
  kill(pid, SIGKILL);
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return up;
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
  WriteText("/sys/module/kvm/parameters/halt_poll_ns", "0\n");
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
