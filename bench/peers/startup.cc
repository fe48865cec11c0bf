// Start-up and end of whole VMMs, side by side, on the real /dev/kvm with one bare-metal guest.
//
//   ci/bazel run --config=opt //bench/peers:startup -- [ROUNDS]
//
// Prints, per command: process start to the guest's first byte, start to process gone, CPU time;
// medians over interleaved rounds, with the least in brackets. A command that is not installed, or
// does not work on this machine, gets a line that says so. Then what all processes of a machine
// with ten jailed devices weigh beside its guest's memory.

#include <sys/types.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/scoped_fd.h"
#include "bench/peers/monitor_process.h"
#include "bench/peers/spawn.h"

namespace touchstone {
namespace {

struct Peer {
  std::string name;
  std::vector<std::string> command;
  bool has_output = true;
  std::vector<absl::Duration> first_byte, gone, cpu;
  std::string problem;
};

// Disks for a machine that has an entropy device and a balloon besides, all in all ten devices.
class Disks {
 public:
  Disks() {
    for (int i = 0; i < 8; ++i) {
      char path[] = "/tmp/startup_disk.XXXXXX";
      const ScopedFd file(mkstemp(path));
      if (ftruncate(file.get(), 1 << 20) != 0) std::perror(path);
      paths_.emplace_back(path);
    }
  }
  ~Disks() {
    for (const std::string& path : paths_) unlink(path.c_str());
  }
  Disks(const Disks&) = delete;
  Disks& operator=(const Disks&) = delete;

  [[nodiscard]] std::vector<std::string> Run(const std::string& touchstone,
                                             const std::string& guest,
                                             const std::vector<std::string>& options) const {
    std::vector<std::string> command = {touchstone, "run", "--mem", "128"};
    for (const std::string& path : paths_) command.push_back(absl::StrCat("--block=path=", path));
    command.insert(command.end(), options.begin(), options.end());
    command.push_back(guest);
    return command;
  }

 private:
  std::vector<std::string> paths_;
};

// Of one process, KiB: all, and what is shared memory, which is the guest's.
struct Weight {
  double all = 0;
  double guest = 0;
};

// proc_pid_smaps(5).
Weight WeightOf(pid_t pid) {
  Weight weight;
  std::ifstream file(absl::StrCat("/proc/", pid, "/smaps_rollup"));
  for (std::string word; file >> word;) {
    if (word == "Pss:") file >> weight.all;
    if (word == "Pss_Shmem:") file >> weight.guest;
  }
  return weight;
}

// Children that its first thread made.
std::vector<pid_t> ChildrenOf(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/task/", pid, "/children"));
  return {std::istream_iterator<pid_t>(file), std::istream_iterator<pid_t>()};
}

void WeighMachine(const std::vector<std::string>& command) {
  const auto machine = MonitorProcess::Start(command);
  if (!machine.ok()) return;
  absl::SleepFor(absl::Seconds(2));
  const pid_t pid = (*machine)->pid();
  Weight main = WeightOf(pid);
  double makers = 0, devices = 0, guest = main.guest;
  size_t count = 0;
  for (const pid_t maker : ChildrenOf(pid)) {
    makers += WeightOf(maker).all;
    for (const pid_t device : ChildrenOf(maker)) {
      const Weight weight = WeightOf(device);
      devices += weight.all - weight.guest;
      guest += weight.guest;
      ++count;
    }
  }
  std::printf(
      "%d jailed devices, PSS in KiB: main %.0f, the process that makes jails %.0f, devices %.0f; "
      "guest memory in all of them %.0f\n",
      static_cast<int>(count), main.all - main.guest, makers, devices, guest);
}

std::vector<Peer> Peers(const std::string& touchstone, const std::string& guest,
                        const std::string& rom, const Disks& disks) {
  const auto qemu = [](const std::string& machine, const std::string& option,
                       const std::string& file) {
    return std::vector<std::string>{"qemu-system-x86_64",
                                    "-accel",
                                    "kvm",
                                    "-M",
                                    machine,
                                    "-m",
                                    "128",
                                    "-smp",
                                    "1",
                                    "-nodefaults",
                                    "-display",
                                    "none",
                                    "-no-reboot",
                                    "-serial",
                                    "stdio",
                                    option,
                                    file};
  };
  // This machine has no port 0x64 to ask for a reset with.
  std::vector<std::string> microvm = qemu("microvm", "-bios", rom);
  microvm.insert(microvm.end(), {"-device", "isa-debug-exit,iobase=0x501,iosize=1"});
  return {
      {.name = "touchstone run", .command = {touchstone, "run", "--mem", "128", guest}},
      {.name = "  --disable-sandbox",
       .command = {touchstone, "run", "--mem", "128", "--disable-sandbox", guest}},
      {.name = "  ten devices", .command = disks.Run(touchstone, guest, {})},
      {.name = "  ten, --disable-sandbox",
       .command = disks.Run(touchstone, guest, {"--disable-sandbox"})},
      {.name = "QEMU microvm, no firmware", .command = std::move(microvm)},
      {.name = "QEMU pc, no firmware", .command = qemu("pc", "-bios", rom)},
      {.name = "QEMU q35, no firmware", .command = qemu("q35", "-bios", rom)},
      {.name = "QEMU pc, SeaBIOS and PVH", .command = qemu("pc", "-kernel", guest)},
      {.name = "touchstone --version", .command = {touchstone, "--version"}, .has_output = false},
      {.name = "qemu --version",
       .command = {"qemu-system-x86_64", "--version"},
       .has_output = false},
      {.name = "true", .command = {"true"}, .has_output = false},
  };
}

std::string Show(const std::vector<absl::Duration>& values) {
  if (values.empty()) return "-";
  absl::Duration least = values[0];
  for (absl::Duration value : values) least = std::min(least, value);
  return absl::StrFormat("%.2f [%.2f]", absl::ToDoubleMilliseconds(Median(values)),
                         absl::ToDoubleMilliseconds(least));
}

void RunRounds(std::vector<Peer>& peers, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    for (Peer& peer : peers) {
      if (!peer.problem.empty()) continue;
      const absl::StatusOr<SpawnTimes> times = TimeSpawn(peer.command, absl::Seconds(10));
      if (!times.ok()) {
        peer.problem = std::string(times.status().message());
        continue;
      }
      if (peer.has_output && times->first_byte == absl::InfiniteDuration()) {
        peer.problem = absl::StrCat("no output, exit status ", times->exit_status);
        continue;
      }
      if (peer.has_output) peer.first_byte.push_back(times->first_byte);
      peer.gone.push_back(times->gone);
      peer.cpu.push_back(times->cpu);
    }
  }
}

}  // namespace

int Main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: startup TOUCHSTONE GUEST ROM [ROUNDS]\n");
    return 2;
  }
  const int rounds = argc > 4 ? std::atoi(argv[4]) : 30;
  if (rounds < 1) {
    std::fprintf(stderr, "startup: ROUNDS is a number from 1\n");
    return 2;
  }
  const Disks disks;
  std::vector<Peer> peers = Peers(argv[1], argv[2], argv[3], disks);
  RunRounds(peers, rounds);
  std::printf("median [least] of %d interleaved rounds, milliseconds\n", rounds);
  std::printf("%-26s %18s %18s %18s\n", "", "first guest byte", "process gone", "CPU time");
  for (const Peer& peer : peers) {
    std::printf("%-26s %18s %18s %18s %s\n", peer.name.c_str(), Show(peer.first_byte).c_str(),
                Show(peer.gone).c_str(), Show(peer.cpu).c_str(), peer.problem.c_str());
  }
  WeighMachine(disks.Run(argv[1], argv[2], {"--suspended"}));
  return peers[0].problem.empty() ? 0 : 1;
}

}  // namespace touchstone

int main(int argc, char** argv) { return touchstone::Main(argc, argv); }
