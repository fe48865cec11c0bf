// What the jailed children of a real `touchstone run` find around them, and what becomes of them
// when they try what they should not: of all six devices, as root and as an ordinary user. The
// children are those of probing_touchstone; all else of it is the product.

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/fd_socket.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/sandbox/canary.h"
#include "integration/testing/child_process.h"
#include "integration/testing/runfiles.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr char kUser[] = "65533";

enum class Who { kRoot, kUser };

// A folder where everybody may work, with all that machines of one user need.
class Place {
 public:
  explicit Place(Who who) : who_(who) {
    std::filesystem::permissions(path_, std::filesystem::perms::all);
    // Where /dev/kvm is root's alone.
    if (geteuid() == 0) {
      EXPECT_EQ(mknod(File("kvm").c_str(), S_IFCHR | 0666, makedev(10, 232)), 0);
      EXPECT_EQ(chmod(File("kvm").c_str(), 0666), 0);
    } else {
      symlink("/dev/kvm", File("kvm").c_str());
    }
    std::filesystem::copy_file(Runfile("integration/guests/end_guest"), File("guest"));
    std::filesystem::copy_file(Runfile("integration/sandbox/probing_touchstone"), program_);
    std::ofstream(File("disk")) << std::string(size_t{1} << 20, 'd');
    for (const char* file : {"guest", "disk"}) EXPECT_EQ(chmod(File(file).c_str(), 0666), 0);
    passt_.emplace(FdListener::Listen(File("passt"), FdSocket::Kind::kStream).value());
    EXPECT_EQ(chmod(File("passt").c_str(), 0777), 0);
  }
  ~Place() { std::filesystem::remove_all(path_); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  [[nodiscard]] std::string File(const std::string& name) const {
    return absl::StrCat(path_, "/", name);
  }

  // The option that makes a device with this name, and those without which it is not the only one.
  [[nodiscard]] std::vector<std::string> Only(const std::string& device) const {
    std::vector<std::string> options;
    if (device != "rng") options.emplace_back("--no-rng");
    if (device != "balloon") options.emplace_back("--no-balloon");
    if (device == "block vda") options.push_back(absl::StrCat("--block=path=", File("disk")));
    if (device == "console") {
      options.push_back(
          absl::StrCat("--serial=type=file,hardware=virtio-console,path=", File("console")));
    }
    if (absl::StartsWith(device, "net")) {
      options.push_back(absl::StrCat("--net=socket=", File("passt")));
    }
    if (device == "vsock") {
      options.push_back(absl::StrCat("--vsock=cid=42,socket=", File("vsock")));
    }
    return options;
  }
  [[nodiscard]] std::vector<std::string> All() const {
    return {absl::StrCat("--block=path=", File("disk")),
            absl::StrCat("--serial=type=file,hardware=virtio-console,path=", File("console")),
            absl::StrCat("--net=socket=", File("passt")),
            absl::StrCat("--vsock=cid=42,socket=", File("vsock"))};
  }

  // A machine whose children do that.
  std::unique_ptr<ChildProcess> Run(const std::string& attempt,
                                    const std::vector<std::string>& options) {
    const std::string program = File(attempt);
    std::filesystem::rename(std::exchange(program_, program), program);
    return RunProgram(program, options);
  }
  std::unique_ptr<ChildProcess> RunProgram(const std::string& program,
                                           const std::vector<std::string>& options) const {
    std::vector<std::string> command;
    if (who_ == Who::kUser && geteuid() == 0) {
      command = {"setpriv",
                 absl::StrCat("--reuid=", kUser),
                 absl::StrCat("--regid=", kUser),
                 "--clear-groups",
                 "--no-new-privs",
                 "--inh-caps=-all"};
    }
    command.insert(command.end(), {program, "run", "--mem=32", "--params=halt",
                                   absl::StrCat("--kvm-device=", File("kvm"))});
    command.insert(command.end(), options.begin(), options.end());
    command.push_back(File("guest"));
    return ChildProcess::Start(std::move(command), ChildProcess::Streams::kPipes).value();
  }

 private:
  const Who who_;
  char name_[24] = "/tmp/probe.XXXXXX";
  const std::string path_ = mkdtemp(name_);
  std::string program_ = File("program");
  std::optional<FdListener> passt_;
};

std::string NameOf(Who who) { return who == Who::kRoot ? "Root" : "User"; }

class LookTest : public testing::TestWithParam<Who> {};

TEST_P(LookTest, ChildrenHaveWhatWasDeclaredAndNothingOfTheirParent) {
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "a sanitizer's shadow memory is terabytes, and would be searched too";
#endif
  char secret[kCanarySize + 1] = {};
  WriteCanary(Canary::kEnvironment, secret);
  setenv(kCanaryVariable, secret, 1);
  Place place(GetParam());

  const std::unique_ptr<ChildProcess> machine = place.Run("look", place.All());
  const std::vector<std::string> devices = {"rng",     "balloon", "block vda",
                                            "console", "net 4",   "vsock"};
  const absl::Time deadline = absl::Now() + kPatience;
  for (const std::string& device : devices) {
    while (!absl::StrContains(machine->errors(), absl::StrCat("probe of ", device, ":")) &&
           !machine->Poll().has_value() && absl::Now() < deadline) {
      machine->Pump(absl::Milliseconds(50));
    }
    EXPECT_THAT(machine->errors(),
                HasSubstr(absl::StrCat(
                    "probe of ", device,
                    ": as declared descriptors; canaries 0 0 0 control 1; open ENOENT; itself "
                    "ENOENT; memory ENOENT; create ENOENT; list ENOENT; up ENOENT; thread-less "
                    "clone3 ENOSYS\n")));
  }
  // The machine begins all the same.
  while (!absl::StrContains(machine->output(), "ready") && !machine->Poll().has_value() &&
         absl::Now() < deadline) {
    machine->Pump(absl::Milliseconds(50));
  }
  EXPECT_THAT(machine->output(), HasSubstr("ready"));
  machine->Signal(SIGTERM);
  EXPECT_EQ(machine->Wait(kPatience).value_or(-1), 0) << machine->errors();
}

INSTANTIATE_TEST_SUITE_P(, LookTest, testing::Values(Who::kRoot, Who::kUser),
                         [](const auto& info) { return NameOf(info.param); });

struct Forbidden {
  const char* attempt;
  const char* call;
};

class AttemptTest : public testing::TestWithParam<std::tuple<Who, const char*>> {
 protected:
  static constexpr Forbidden kForbidden[] = {
      {"mkdir", "mkdir"},    {"tcp", "socket"},        {"unix", "socket"},
      {"fork", "fork"},      {"clone", "clone"},       {"exec", "execve"},
      {"mount", "mount"},    {"execveat", "execveat"}, {"ptrace", "ptrace"},
      {"umount", "umount2"}, {"setuid", "setresuid"},  {"process_vm_readv", "process_vm_readv"},
      {"capset", "capset"},  {"unshare", "unshare"},   {"code", "mmap"}};
};

// Each run ends with its only device, and says why.
TEST_P(AttemptTest, KillsTheChildAndNamesTheDeviceAndTheCall) {
  const auto& [who, device] = GetParam();
  Place place(who);
  for (const Forbidden& forbidden : kForbidden) {
    const std::unique_ptr<ChildProcess> machine = place.Run(forbidden.attempt, place.Only(device));

    EXPECT_EQ(machine->Wait(kPatience).value_or(-1), 1);

    EXPECT_THAT(
        machine->errors(),
        HasSubstr(absl::StrCat(device, " was killed: its policy does not allow system call ",
                               forbidden.call, " (")))
        << forbidden.attempt;
    EXPECT_THAT(machine->errors(), Not(HasSubstr("probe of")));
  }
}

INSTANTIATE_TEST_SUITE_P(, AttemptTest,
                         testing::Combine(testing::Values(Who::kRoot, Who::kUser),
                                          testing::Values("rng", "balloon", "block vda", "console",
                                                          "net 0", "vsock")),
                         [](const auto& info) {
                           return absl::StrCat(
                               NameOf(std::get<0>(info.param)), "_",
                               absl::string_view(std::get<1>(info.param)).substr(0, 3));
                         });

// The product, with policies that lack what each device needs first.
TEST(PolicyTest, ADeviceThatNeedsMoreThanItsPolicyAllowsIsNamedWithTheCall) {
  Place place(Who::kRoot);
  for (const auto& [device, policy] :
       std::vector<std::pair<std::string, std::string>>{{"rng", "rng"},
                                                        {"balloon", "balloon"},
                                                        {"block vda", "block"},
                                                        {"console", "serial"},
                                                        {"net 0", "net"},
                                                        {"vsock", "vsock"}}) {
    std::ofstream(place.File(absl::StrCat(policy, "_device.policy")))
        << "@default log\nepoll_create1: kill\n";
    std::vector<std::string> options = place.Only(device);
    options.push_back(absl::StrCat("--seccomp-policy-dir=", place.File("")));

    const std::unique_ptr<ChildProcess> machine =
        place.RunProgram(Runfile("vmm/touchstone"), options);

    EXPECT_EQ(machine->Wait(kPatience).value_or(-1), 1);
    EXPECT_EQ(machine->errors(),
              absl::StrCat("touchstone: ", device,
                           " was killed: its policy does not allow system call epoll_create1 "
                           "(291)\n"));
  }
}

std::string Contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(ProbeTest, TheProductHasNoProbe) {
  EXPECT_THAT(
      absl::StrContains(Contents(Runfile("integration/sandbox/probing_touchstone")), "probe of "),
      true);
  EXPECT_FALSE(absl::StrContains(Contents(Runfile("vmm/touchstone")), "probe of "));
}

}  // namespace
}  // namespace touchstone
