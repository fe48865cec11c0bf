// A Linux guest whose entropy device and disk are jailed processes.

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/virtio/virtio_guest.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// /proc/PID/status by name.
std::map<std::string, std::string> StatusOf(pid_t pid) {
  std::map<std::string, std::string> status;
  for (const absl::string_view line :
       absl::StrSplit(ReadAll(absl::StrCat("/proc/", pid, "/status")), '\n')) {
    const std::vector<std::string> parts = absl::StrSplit(line, ":\t");
    if (parts.size() == 2) status[parts[0]] = parts[1];
  }
  return status;
}

// The jailed devices of a machine, in the order in which they were made.
std::vector<pid_t> JailedDevices(pid_t parent) {
  std::vector<pid_t> children;
  DIR* const processes = opendir("/proc");
  while (const dirent* entry = readdir(processes)) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry->d_name, &pid)) continue;
    if (StatusOf(pid)["PPid"] == absl::StrCat(parent)) children.push_back(pid);
  }
  closedir(processes);
  return children;
}

std::string MakeDisk() {
  std::string path = absl::StrCat(testing::TempDir(), "/disk");
  std::ofstream(path) << std::string(size_t{4} << 20, 'd');
  return path;
}

constexpr char kReadRandom[] = "dd if=/dev/hwrng bs=512 count=4 2>/dev/null | wc -c";

TEST(SandboxTest, JailedDevicesServeAndDieAlone) {
  const std::string disk = MakeDisk();
  std::unique_ptr<Vm> vm =
      StartVirtioGuest({"--pivot-root=/var/empty", absl::StrCat("--block=path=", disk)});
  ASSERT_TRUE(vm->AwaitReady(kBootLimit).ok());
  const std::vector<pid_t> jailed = JailedDevices(vm->pid());
  ASSERT_THAT(jailed, SizeIs(2));  // The disk, then the rng.
  for (const pid_t pid : jailed) {
    std::map<std::string, std::string> status = StatusOf(pid);
    EXPECT_EQ(status["CapEff"], "0000000000000000");
    EXPECT_EQ(status["CapBnd"], "0000000000000000");
    EXPECT_EQ(status["NoNewPrivs"], "1");
    EXPECT_EQ(status["Seccomp"], "2");
    EXPECT_THAT(status["Uid"], HasSubstr("65534"));
  }

  EXPECT_EQ(Say(*vm, kReadRandom), "2048\n");
  EXPECT_EQ(Say(*vm, "dd if=/dev/vda bs=4k count=1 2>/dev/null | tr -d d | wc -c"), "0\n");
  EXPECT_EQ(Say(*vm,
                "tr '\\0' w < /dev/zero | dd of=/dev/vda bs=4k count=16 conv=fsync iflag=fullblock "
                "2>/dev/null; echo 3 > /proc/sys/vm/drop_caches; "
                "dd if=/dev/vda bs=4k count=17 2>/dev/null | tr -d w | wc -c"),
            "4096\n");
  EXPECT_EQ(ReadAll(disk).substr(0, 65537), std::string(65536, 'w') + 'd');

  // The entropy device dies; its guest and the disk go on.
  EXPECT_EQ(kill(jailed[1], SIGKILL), 0);
  EXPECT_EQ(Say(*vm, "dd if=/dev/vda bs=4k skip=64 count=64 2>/dev/null | wc -c"), "262144\n");
  EXPECT_EQ(
      Say(*vm,
          "sleep 1; dd if=/dev/zero of=/dev/vda bs=4k count=1 conv=fsync 2>/dev/null; echo $?"),
      "0\n");
  EXPECT_THAT(vm->errors(),
              HasSubstr("jail: a device is lost: rng was killed by signal 9 (Killed)"));
  EXPECT_EQ(ReadAll(disk).substr(0, 4096), std::string(4096, '\0'));

  // No child outlives its machine.
  EXPECT_TRUE(vm->Stop(absl::Seconds(30)).ok());
  EXPECT_EQ(kill(jailed[0], 0), -1);
}

TEST(SandboxTest, PoliciesComeFromADirectoryAndFailuresAreLogged) {
  const std::string directory = absl::StrCat(testing::TempDir(), "/policies");
  ASSERT_EQ(mkdir(directory.c_str(), 0755), 0);
  // Without the system call that it is there for.
  std::ofstream(absl::StrCat(directory, "/rng_device.policy"))
      << "read: 1\nopenat: return ENOENT\n";
  std::unique_ptr<Vm> vm = StartVirtioGuest(
      {absl::StrCat("--seccomp-policy-dir=", directory), "--seccomp-log-failures"});
  ASSERT_TRUE(vm->AwaitReady(kBootLimit).ok());
  ASSERT_THAT(JailedDevices(vm->pid()), SizeIs(1));
  EXPECT_EQ(Say(*vm, kReadRandom), "2048\n");
}

}  // namespace
}  // namespace touchstone
