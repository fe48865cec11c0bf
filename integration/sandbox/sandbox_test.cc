// A Linux guest whose devices are jailed processes.

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/event_fd.h"
#include "base/fd_socket.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/control/controlled_machine.h"
#include "integration/testing/runfiles.h"
#include "integration/virtio/test_run.h"
#include "integration/virtio/virtio_guest.h"
#include "integration/virtio/vsock_peer.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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

std::vector<pid_t> ChildrenOf(pid_t parent) {
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

// The jailed devices of a machine by name: children of the process that makes them for it.
std::map<std::string, pid_t> JailedDevices(pid_t machine) {
  std::map<std::string, pid_t> devices;
  for (const pid_t server : ChildrenOf(machine)) {
    for (const pid_t pid : ChildrenOf(server)) {
      const std::vector<std::string> words =
          absl::StrSplit(ReadAll(absl::StrCat("/proc/", pid, "/cmdline")), '\0');
      devices[words.size() > 2 ? words[2] : ""] = pid;
    }
  }
  return devices;
}

std::vector<std::string> NamesOf(const std::map<std::string, pid_t>& devices) {
  std::vector<std::string> names;
  for (const auto& [name, pid] : devices) names.push_back(name);
  return names;
}

std::string Lost(const std::string& name) {
  return absl::StrCat("jail: a device is lost: ", name, " was killed by signal 9 (Killed)");
}

constexpr char kReplaced[] =
    "jail: block vda was killed by signal 9 (Killed); another process takes over";

// Virtio 1.2, 2.1: DEVICE_NEEDS_RESET. How many of the guest's devices have it.
std::string CountNeedsReset(Vm& vm) {
  return Say(vm,
             "n=0; for d in /sys/bus/virtio/devices/*; do "
             "[ $(( $(cat $d/status) & 64 )) = 0 ] || n=$((n + 1)); done; echo $n");
}

// Returns when the machine has noticed.
void Kill(Vm& vm, const std::string& name, pid_t pid) {
  kill(pid, SIGKILL);
  // Its log is read along with what the guest says.
  for (int i = 0; i < 50 && !absl::StrContains(vm.errors(), Lost(name)); ++i) Say(vm, "true");
}

// Another one for the one that was killed.
pid_t AwaitNewDisk(Vm& vm, pid_t old) {
  for (int i = 0; i < 50; ++i) {
    const std::map<std::string, pid_t> devices = JailedDevices(vm.pid());
    const auto disk = devices.find("block vda");
    if (disk != devices.end() && disk->second != old) return disk->second;
    Say(vm, "true");
  }
  return -1;
}

constexpr int kSlots = 512;

// Writes numbers to slots of the disk, one after the other, until /tmp/stop is there, and says then
// how many. Each is on the disk, as far as the guest knows, before the next is written.
constexpr char kWriteNumbers[] =
    "(n=0; while [ ! -e /tmp/stop ]; do printf %08d $n | "
    "dd of=/dev/vda bs=8 seek=$((n % 512 * 512)) conv=fsync 2>/dev/null || "
    "echo $n >> /tmp/failed; n=$((n + 1)); done; echo $n > /tmp/end) >/dev/null 2>&1 &";

// Those slots that have another number than the last of theirs below `count`.
std::vector<int> WrongSlots(const std::string& disk, int count) {
  std::vector<int> wrong;
  for (int n = std::max(0, count - kSlots); n < count; ++n) {
    const size_t at = static_cast<size_t>(n % kSlots) * 4096;
    if (disk.substr(at, 8) != absl::StrFormat("%08d", n)) wrong.push_back(n);
  }
  return wrong;
}

std::string MakeDisk() {
  std::string path = absl::StrCat(testing::TempDir(), "/disk");
  std::ofstream(path) << std::string(size_t{4} << 20, 'd');
  return path;
}

constexpr char kReadRandom[] = "dd if=/dev/hwrng bs=512 count=4 2>/dev/null | wc -c";

// All types, in jails by default. They die one after the other, and the guest goes on.
TEST(SandboxTest, JailedDevicesServeAndDieAlone) {
  const std::string disk = MakeDisk();
  const std::string console = absl::StrCat(testing::TempDir(), "/console");
  const ShortFolder folder;
  const std::string socket = folder.path() + "/control";
  std::unique_ptr<Vm> vm = StartLinux(
      kCloudKernel,
      {.memory_mib = 256,
       .initrd = Runfile("integration/virtio/all_devices_initramfs.cpio"),
       .options = {absl::StrCat("--block=path=", disk),
                   absl::StrCat("--serial=type=file,path=", console, ",hardware=virtio-console"),
                   "--serial=type=sink,hardware=virtio-console,num=2,name=org.example.load",
                   "--net=host-ip=10.8.1.1,netmask=255.255.255.0,mac=52:54:00:00:00:01",
                   absl::StrCat("--vsock=cid=42,socket=", folder.path(), "/vsock"),
                   absl::StrCat("--socket=", socket)}});
  ASSERT_EQ(vm->AwaitReady(kBootLimit).status(), absl::OkStatus()) << vm->errors();
  std::map<std::string, pid_t> jailed = JailedDevices(vm->pid());
  ASSERT_THAT(NamesOf(jailed), ElementsAre("balloon", "block vda", "console",
                                           testing::StartsWith("net "), "rng", "vsock"));
  for (const auto& [name, pid] : jailed) {
    std::map<std::string, std::string> status = StatusOf(pid);
    EXPECT_EQ(status["CapEff"], "0000000000000000") << name;
    EXPECT_EQ(status["CapBnd"], "0000000000000000") << name;
    EXPECT_EQ(status["NoNewPrivs"], "1") << name;
    EXPECT_EQ(status["Seccomp"], "2") << name;
    EXPECT_THAT(status["Uid"], HasSubstr("65534")) << name;
  }

  EXPECT_EQ(Say(*vm, kReadRandom), "2048\n");
  EXPECT_EQ(Say(*vm, "dd if=/dev/vda bs=4k count=1 2>/dev/null | tr -d d | wc -c"), "0\n");
  EXPECT_EQ(Say(*vm,
                "tr '\\0' w < /dev/zero | dd of=/dev/vda bs=4k count=16 conv=fsync iflag=fullblock "
                "2>/dev/null; echo 3 > /proc/sys/vm/drop_caches; "
                "dd if=/dev/vda bs=4k count=17 2>/dev/null | tr -d w | wc -c"),
            "4096\n");
  EXPECT_EQ(ReadAll(disk).substr(0, 65537), std::string(65536, 'w') + 'd');
  EXPECT_EQ(Say(*vm, "echo hello > /dev/hvc0"), "");
  EXPECT_EQ(Say(*vm,
                "ip address add 10.8.1.2/24 dev eth0; ip link set eth0 up; "
                "ping -q -A -c 5 10.8.1.1 | grep -o ' 0% packet loss'"),
            " 0% packet loss\n");

  // Each dies at work. Its guest is told to reset the device, the log says whose process it was and
  // how it died, and the others work on.
  const FdListener listener =
      FdListener::Listen(folder.path() + "/vsock_80", FdSocket::Kind::kStream).value();
  const EventFd stop = EventFd::Create().value();
  std::thread peer([&] { EchoUntil(listener.fd(), stop.fd(), 1000); });
  const std::vector<std::pair<std::string, std::string>> loads = {
      {"rng", "cat /dev/hwrng"},
      {"console", "cat /dev/zero > /dev/vport0p1"},
      {"vsock", "while vsock_peer check 2 80 3 100000; do :; done"},
      {"balloon", "true"},
      {NamesOf(jailed)[3], "ping -q -A -w 1000 10.8.1.1"}};
  int lost = 0;
  for (const auto& [name, load] : loads) {
    Say(*vm, absl::StrCat("(", load, ") > /dev/null 2>&1 & usleep 300000"));
    EXPECT_EQ(Control({"balloon", absl::StrCat(lost << 24), socket}).status, 0);
    Kill(*vm, name, jailed[name]);
    EXPECT_THAT(vm->errors(), HasSubstr(Lost(name)));
    EXPECT_EQ(CountNeedsReset(*vm), absl::StrCat(++lost, "\n")) << name;
    EXPECT_EQ(Say(*vm, "dd if=/dev/zero of=/dev/vda bs=4k count=1 conv=fsync 2>/dev/null; echo $?"),
              "0\n");
  }
  stop.Signal();
  peer.join();
  EXPECT_EQ(ReadAll(disk).substr(0, 4096), std::string(4096, '\0'));
  EXPECT_EQ(ReadAll(console), "hello\r\n");

  // The disk's process is replaced, and the guest's writes arrive. A machine can stand still in
  // between.
  Say(*vm, kWriteNumbers);
  pid_t disk_pid = jailed["block vda"];
  const int kills = IsFullRun() ? 100 : 5;
  for (int i = 0; i < kills; ++i) {
    EXPECT_EQ(kill(disk_pid, SIGKILL), 0);
    if (i % 4 == 1) {
      EXPECT_EQ(Control({"suspend", "--full", socket}), Said{.status = 0});
      EXPECT_EQ(Control({"resume", "--full", socket}), Said{.status = 0});
    }
    disk_pid = AwaitNewDisk(*vm, disk_pid);
    ASSERT_GT(disk_pid, 0) << i;
  }
  int written = 0;
  EXPECT_TRUE(absl::SimpleAtoi(
      Say(*vm, "touch /tmp/stop; while [ ! -e /tmp/end ]; do usleep 100000; done; cat /tmp/end"),
      &written));
  EXPECT_EQ(Say(*vm, "cat /tmp/failed 2>/dev/null"), "");
  EXPECT_GT(written, kills);
  EXPECT_THAT(WrongSlots(ReadAll(disk), written), IsEmpty());
  EXPECT_THAT(vm->errors(), HasSubstr(kReplaced));
  printf("%d kills of the disk's process, %d writes\n", kills, written);

  EXPECT_EQ(Say(*vm, "echo still here"), "still here\n");
  EXPECT_TRUE(vm->Stop(absl::Seconds(30)).ok());
}

TEST(SandboxTest, NoChildOutlivesItsMachineAndPoliciesComeFromADirectory) {
  const std::string directory = absl::StrCat(testing::TempDir(), "/policies");
  ASSERT_EQ(mkdir(directory.c_str(), 0755), 0);
  // Without the system call that it is there for.
  std::ofstream(absl::StrCat(directory, "/rng_device.policy"))
      << "read: 1\nopenat: return ENOENT\n";
  std::unique_ptr<Vm> vm =
      StartVirtioGuest({absl::StrCat("--seccomp-policy-dir=", directory), "--seccomp-log-failures",
                        "--no-balloon", "--pivot-root=/var/empty"});
  ASSERT_TRUE(vm->AwaitReady(kBootLimit).ok());
  const std::map<std::string, pid_t> jailed = JailedDevices(vm->pid());
  ASSERT_THAT(NamesOf(jailed), ElementsAre("rng"));
  EXPECT_EQ(Say(*vm, kReadRandom), "2048\n");
  EXPECT_TRUE(vm->Stop(absl::Seconds(30)).ok());
  EXPECT_EQ(kill(jailed.at("rng"), 0), -1);
}

}  // namespace
}  // namespace touchstone
