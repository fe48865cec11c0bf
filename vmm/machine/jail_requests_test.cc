// Each type of device in its jail, for root and for an ordinary user: it serves, it is confined,
// and it holds what it was given and nothing else.

#include "vmm/machine/jail_requests.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/event/epoll_loop.h"
#include "base/scoped_fd.h"
#include "devices/virtio/vsock/vsock_open.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/jail/jail_testing.h"
#include "vmm/machine/device_host.h"
#include "vmm/machine/hosted_device.h"

namespace touchstone {
namespace {

using ::testing::AnyOf;

constexpr unsigned int kUser = 65533;

// What a request borrows from the main process.
struct Surroundings {
  std::string folder;
  ScopedFd peer;
  std::unique_ptr<FdListener> listener;
};

JailRequest Rng(Surroundings&) { return RngJail(); }

JailRequest Balloon(Surroundings& main) {
  auto made = BalloonJail({.memory_size = 1 << 20, .page_reporting = true}).value();
  main.peer = std::move(made.second).Release();
  return std::move(made.first);
}

JailRequest Block(Surroundings& main) {
  BlockConfig config;
  config.set_path(main.folder + "/disk");
  std::ofstream(config.path()) << std::string(4096, 'd');
  return BlockJail(config, EPOLL, 2).value().request;
}

JailRequest Console(Surroundings& main) {
  SerialConfig ports[2];
  ports[0].set_hardware(SerialConfig::VIRTIO_CONSOLE);
  ports[0].set_type(SerialConfig::FILE);
  ports[0].set_path(main.folder + "/out");
  ports[1].set_hardware(SerialConfig::VIRTIO_CONSOLE);
  ports[1].set_num(2);
  ports[1].set_type(SerialConfig::UNIX_STREAM);
  ports[1].set_path(main.folder + "/nobody");
  return ConsoleJail(ports).value();
}

JailRequest Net(Surroundings& main) {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  main.peer.Reset(ends[0]);
  const ScopedFd other(ends[1]);
  NetConfig config;
  config.set_socket_fd(other.get());
  return NetJail(config, 1).value();
}

JailRequest Vsock(Surroundings& main) {
  VsockConfig config;
  config.set_cid(3);
  config.set_socket(main.folder + "/vsock");
  main.listener = std::make_unique<FdListener>(ListenForVsock(config).value());
  return VsockJail(config, *main.listener).value();
}

struct Type {
  const char* name;
  JailRequest (*make)(Surroundings& main);
};

void PrintTo(const Type& type, std::ostream* out) { *out << type.name; }

// Opened once: an ordinary user may not get at the path.
std::string Executable() {
  static const int fd = open("vmm/machine/jailed_device_main", O_PATH | O_CLOEXEC);
  return absl::StrCat("/proc/self/fd/", fd);
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// What is wrong with a device of this type, or "ok". `see` looks at its process.
std::string Try(const Type& type, const std::function<std::string(pid_t, size_t)>& see) {
  char folder[] = "/tmp/jail.XXXXXX";
  Surroundings main = {.folder = mkdtemp(folder)};
  JailRequest request = type.make(main);
  request.config.set_name(type.name);
  const size_t given = request.fds.size() + (request.connects.empty() ? 0 : 1);
  const std::unique_ptr<EpollLoop> loop = EpollLoop::Create().value();
  std::string wrong = "ok";
  {
    DeviceHost host(*loop, {.executable = Executable()});
    const absl::StatusOr<std::unique_ptr<HostedDevice>> device = host.Host(request);
    if (!device.ok()) return std::string(device.status().message());
    const absl::Status serving = (*device)->AwaitServing();
    std::ifstream children("/proc/thread-self/children");
    pid_t pid = 0;
    children >> pid;
    std::vector<uint8_t> config(request.shape.config_size);
    (*device)->ReadConfig(0, absl::MakeSpan(config));
    if (!serving.ok()) {
      wrong = std::string(serving.message());
    } else if ((*device)->features() == 0) {
      wrong = "it has no features";
    } else {
      wrong = see(pid, given);
    }
  }
  main.listener.reset();
  std::filesystem::remove_all(folder);
  return wrong;
}

// The descriptors that it has beside its own events and timers.
std::string CheckProcess(pid_t pid, size_t given) {
  const std::string status = ReadAll(absl::StrCat("/proc/", pid, "/status"));
  for (const char* line : {"CapPrm:\t0000000000000000", "CapEff:\t0000000000000000",
                           "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"}) {
    if (!absl::StrContains(status, line)) return absl::StrCat("not ", line, ": ", status);
  }
  // Standard streams, reports, configuration, vhost-user.
  std::set<int> expected = {0, 1, 2, 3, 5, 6};
  for (size_t i = 0; i < given; ++i) expected.insert(7 + static_cast<int>(i));
  bool channel = false;
  for (const auto& entry :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/fd"))) {
    const int number = std::stoi(entry.path().filename().string());
    const std::string target = std::filesystem::read_symlink(entry.path()).string();
    const bool own = absl::StartsWith(target, "anon_inode:[event") ||
                     absl::StartsWith(target, "anon_inode:[timerfd");
    if (own || expected.count(number) != 0) continue;
    // Another descriptor of a file that it was given.
    struct stat other = {};
    struct stat same = {};
    stat(entry.path().c_str(), &other);
    bool known = false;
    for (const int one : expected) {
      const std::string path = absl::StrCat("/proc/", pid, "/fd/", one);
      known |= stat(path.c_str(), &same) == 0 && same.st_ino == other.st_ino &&
               same.st_dev == other.st_dev;
    }
    // One socket comes over vhost-user: what the device asks of its front end.
    if (!known && absl::StartsWith(target, "socket:") && !std::exchange(channel, true)) continue;
    if (!known) return absl::StrCat("it has descriptor ", number, ", ", target);
  }
  // An image of its own: nothing of this test's is in it.
  const std::string maps = ReadAll(absl::StrCat("/proc/", pid, "/maps"));
  return absl::StrContains(maps, "jail_requests_test") ? maps : "ok";
}

class JailedTypesTest : public testing::TestWithParam<Type> {};

TEST_P(JailedTypesTest, ServesConfined) { EXPECT_EQ(Try(GetParam(), CheckProcess), "ok"); }

// Whose processes' descriptors he may not see: they are not dumpable.
TEST_P(JailedTypesTest, ServesAnOrdinaryUser) {
  Executable();
  const std::string outcome = AsUser(kUser, [] {
    return Try(GetParam(), [](pid_t pid, size_t) {
      const std::string status = ReadAll(absl::StrCat("/proc/", pid, "/status"));
      return std::string(absl::StrContains(status, "CapEff:\t0000000000000000") &&
                                 absl::StrContains(status, "Seccomp:\t2")
                             ? "ok"
                             : status);
    });
  });
  EXPECT_THAT(outcome, AnyOf("ok", "not root"));
}

INSTANTIATE_TEST_SUITE_P(Types, JailedTypesTest,
                         testing::Values(Type{"rng", Rng}, Type{"balloon", Balloon},
                                         Type{"block", Block}, Type{"console", Console},
                                         Type{"net", Net}, Type{"vsock", Vsock}),
                         [](const auto& info) { return std::string(info.param.name); });

// The messages of a device that is somewhere else are about what the user named.
TEST(BlockJailTest, MistakesAreSeenBeforeAndNameThePath) {
  BlockConfig config;
  config.set_path("/nowhere/disk");
  EXPECT_THAT(BlockJail(config, EPOLL, 1).status().message(),
              testing::HasSubstr("--block path=/nowhere/disk: "));
  char name[] = "/tmp/disk.XXXXXX";
  const ScopedFd disk(mkstemp(name));
  ASSERT_EQ(write(disk.get(), "odd", 3), 3);
  config.set_path(name);
  EXPECT_THAT(
      BlockJail(config, EPOLL, 1).status().message(),
      testing::AllOf(testing::HasSubstr(name), testing::HasSubstr("not a multiple of 512")));
  unlink(name);
}

}  // namespace
}  // namespace touchstone
