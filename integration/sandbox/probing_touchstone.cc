// The touchstone binary, whose jailed devices look around between their confinement and their work,
// and tell standard error. The main process has secrets for them to look for (canary.h).
//
// The base name of the program's file says what they do, since a child is told nothing else:
// "look", or one of the attempts of vmm/jail/jail_attempts.h.

#include <fcntl.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "integration/sandbox/canary.h"
#include "vmm/cli/command.h"
#include "vmm/cli/run_machine.h"
#include "vmm/jail/jail_attempts.h"
#include "vmm/machine/jailed_device.h"
#include "vmm/machine/jailed_device.pb.h"

namespace touchstone {
namespace {

// Beyond are a sanitizer's shadows, terabytes of nothing.
constexpr uint64_t kLargestMapping = uint64_t{4} << 30;

// From before the confinement.
int g_maps = -1;
char g_attempt[64];

void WriteTo(int fd, absl::string_view text) {
  while (!text.empty()) {
    const ssize_t size = write(fd, text.data(), text.size());
    if (size <= 0) return;
    text.remove_prefix(static_cast<size_t>(size));
  }
}

std::set<int> DeclaredFds(const JailedDeviceConfig& config) {
  std::set<int> fds = {STDIN_FILENO,  STDOUT_FILENO,   STDERR_FILENO,
                       kJailReportFd, kJailedConfigFd, kJailedSocketFd};
  for (const JailedFile& file : config.files()) fds.insert(file.fd());
  if (config.broker_fd() >= 0) fds.insert(config.broker_fd());
  if (config.has_balloon()) fds.insert(config.balloon().link_fd());
  if (config.has_block()) fds.insert(config.block().link_fd());
  if (config.has_vsock()) fds.insert(config.vsock().listener_fd());
  if (config.has_net()) {
    fds.insert(config.net().tap_fds().begin(), config.net().tap_fds().end());
    if (config.net().socket_fd() >= 0) fds.insert(config.net().socket_fd());
  }
  return fds;
}

std::string ReadMaps() {
  std::string text;
  char bytes[4096];
  ssize_t size;
  while ((size = read(g_maps, bytes, sizeof(bytes))) > 0) {
    text.append(bytes, static_cast<size_t>(size));
  }
  close(g_maps);
  return text;
}

// How often each canary is in these bytes, by its number.
struct Found {
  int count[5] = {};
  uint64_t bytes = 0;
};

__attribute__((no_sanitize("address", "thread"))) void Search(const uint8_t* at, const uint8_t* end,
                                                              Found& found) {
  found.bytes += static_cast<uint64_t>(end - at);
  const uint8_t first = CanaryByte(Canary::kControl, 0);
  for (; at + kCanarySize <= end; ++at) {
    if (*at != first) continue;
    for (const Canary canary :
         {Canary::kHeap, Canary::kStack, Canary::kEnvironment, Canary::kControl}) {
      if (IsCanary(canary, at)) ++found.count[static_cast<int>(canary)];
    }
  }
}

// Lines of proc_pid_maps(5).
Found SearchMappings(const std::string& maps) {
  Found found;
  for (const absl::string_view line : absl::StrSplit(maps, '\n', absl::SkipEmpty())) {
    uint64_t start = 0;
    uint64_t end = 0;
    char permissions[5] = {};
    if (sscanf(std::string(line).c_str(), "%" SCNx64 "-%" SCNx64 " %4s", &start, &end,
               permissions) != 3) {
      continue;
    }
    // The kernel's own, which has holes.
    if (permissions[0] != 'r' || line.find("[v") != absl::string_view::npos) continue;
    if (end - start > kLargestMapping) continue;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel says where memory is by numbers.
    const auto* const at = reinterpret_cast<const uint8_t*>(start);
    Search(at, at + (end - start), found);
  }
  return found;
}

std::string Look(const JailedDeviceConfig& config) {
  // What is there to be found, so that not to find something says something.
  std::vector<char> control(kCanarySize);
  WriteCanary(Canary::kControl, control.data());
  const Found found = SearchMappings(ReadMaps());
  asm volatile("" : : "r"(control.data()) : "memory");
  return absl::StrCat(
      TryInJail("descriptors") == absl::StrJoin(DeclaredFds(config), " ") ? "as declared" : "other",
      " descriptors; canaries ", found.count[1], " ", found.count[2], " ", found.count[3],
      " control ", found.count[4], found.bytes > (1 << 20) ? "" : " in too little", "; open ",
      TryInJail("open"), "; itself ", TryInJail("open_self"), "; memory ", TryInJail("memory"),
      "; create ", TryInJail("create"), "; list ", TryInJail("list"), "; up ", TryInJail("up"),
      "; thread-less clone3 ", TryInJail("clone3"));
}

void Probe(const JailedDeviceConfig& config) {
  const absl::string_view attempt(g_attempt);
  if (attempt != "look") close(g_maps);
  const std::string outcome = attempt == "look" ? Look(config) : TryInJail(attempt);
  WriteTo(STDERR_FILENO, absl::StrCat("probe of ", config.name(), ": ", outcome, "\n"));
}

// As in a jail that is not one yet: the parent's files are there.
void PrepareProbe() {
  char path[512] = {};
  if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0) _exit(1);
  const char* const slash = strrchr(path, '/');
  strncpy(g_attempt, slash == nullptr ? path : slash + 1, sizeof(g_attempt) - 1);
  // Beyond all numbers that mean something to the jail.
  const int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  g_maps = fcntl(maps, F_DUPFD_CLOEXEC, 200);
  close(maps);
  if (g_maps < 0) _exit(1);
}

int RunMain(const std::vector<absl::string_view>& arguments) {
  const std::string heap = [] {
    std::string secret(kCanarySize, '\0');
    WriteCanary(Canary::kHeap, secret.data());
    return secret;
  }();
  char stack[kCanarySize];
  WriteCanary(Canary::kStack, stack);
  asm volatile("" : : "r"(stack), "r"(heap.data()) : "memory");
  const int status = Main(arguments, {
                                         .out = [](auto text) { WriteTo(STDOUT_FILENO, text); },
                                         .err = [](auto text) { WriteTo(STDERR_FILENO, text); },
                                         .run = RunMachine,
                                     });
  asm volatile("" : : "r"(stack), "r"(heap.data()) : "memory");
  return status;
}

}  // namespace
}  // namespace touchstone

int main(int argc, char** argv) {
  const std::vector<absl::string_view> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  if (arguments.size() == 2 && arguments[0] == touchstone::kJailedDeviceCommand) {
    touchstone::PrepareProbe();
    _exit(touchstone::RunJailedDevice(touchstone::Probe));
  }
  return touchstone::RunMain(arguments);
}
