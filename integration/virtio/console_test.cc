// Debian's virtio-console driver: consoles, channels, and what goes through them.

#include <stdlib.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "integration/testing/child_process.h"
#include "integration/testing/guest_command.h"
#include "integration/virtio/host_socket.h"
#include "integration/virtio/test_run.h"
#include "integration/virtio/virtio_guest.h"

namespace touchstone {
namespace {

constexpr char kDriver[] = "/sys/bus/virtio/drivers/virtio_console";

// Short enough for a socket.
std::string TemporaryPath(absl::string_view name) {
  static const std::string& folder = *new std::string([] {
    char path[] = "/tmp/console_XXXXXX";
    return std::string(mkdtemp(path));
  }());
  return absl::StrCat(folder, "/", name);
}

std::string RandomBytes(size_t size) {
  std::mt19937_64 random(1);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

uint64_t ResidentMib(pid_t pid) {
  std::ifstream statm(absl::StrCat("/proc/", pid, "/statm"));
  uint64_t total = 0;
  uint64_t resident = 0;
  statm >> total >> resident;
  return resident * 4096 >> 20;
}

// A command that has the port, or a terminal, echo so many blocks of 32 KiB, in the background.
std::string Echo(absl::string_view port, uint64_t blocks) {
  return absl::StrFormat(
      "(stty raw -echo <&3; dd bs=32768 count=%d iflag=fullblock <&3 >&3) "
      "3<>/dev/%s 2>/dev/null >/dev/null &",
      blocks, port);
}

std::string SocketSerial(absl::string_view key, absl::string_view path) {
  return absl::StrCat("--serial=unix-stream,input-unix-stream,hardware=", key, ",path=", path);
}

// One machine: on COM1 the test, on virtio a console, a channel and a legacy console.
class ConsoleTest : public ::testing::Test {
 protected:
  ConsoleTest()
      : console_(TemporaryPath("console")),
        channel_(TemporaryPath("channel")),
        legacy_(TemporaryPath("legacy")) {}

  void Boot() {
    vm_ = StartVirtioGuest(
        {"--serial=stdout,num=1,stdin,console",
         SocketSerial("virtio-console,num=1", TemporaryPath("console")),
         SocketSerial("virtio-console,num=2,name=org.example.echo", TemporaryPath("channel")),
         SocketSerial("legacy-virtio-console", TemporaryPath("legacy"))});
    ASSERT_TRUE(vm_->AwaitReady(kBootLimit).ok());
    ASSERT_TRUE(console_.Accept(kCommandLimit).ok());
    ASSERT_TRUE(channel_.Accept(kCommandLimit).ok());
    ASSERT_TRUE(legacy_.Accept(kCommandLimit).ok());
  }
  // Sends `blocks` of 32 KiB to the port, and has them back.
  void ExpectEcho(HostSocket& socket, absl::string_view port, uint64_t blocks,
                  absl::Duration timeout = kCommandLimit) {
    const std::string text = RandomBytes(blocks * 32768);
    EXPECT_EQ(Say(*vm_, Echo(port, blocks)), "");
    const absl::Time start = absl::Now();
    const absl::StatusOr<std::string> echoed = socket.Exchange(text, text.size(), timeout);
    ASSERT_TRUE(echoed.ok()) << echoed.status();
    EXPECT_TRUE(*echoed == text);
    const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
    printf("%s echoed %d KiB in %.2f s\n", std::string(port).c_str(), static_cast<int>(blocks * 32),
           seconds);
  }
  void ExpectAllPorts() {
    EXPECT_EQ(Say(*vm_,
                  "cat /sys/class/virtio-ports/vport0p1/name; "
                  "ls -d /sys/class/virtio-ports/vport0*"),
              "org.example.echo\n"
              "/sys/class/virtio-ports/vport0p0\n/sys/class/virtio-ports/vport0p1\n");
    EXPECT_EQ(Say(*vm_, "echo from hvc0 > /dev/hvc0"), "");
    EXPECT_EQ(console_.Exchange("", 11, kCommandLimit).value_or(""), "from hvc0\r\n");
    ExpectEcho(channel_, "vport0p1", 1);
  }

  HostSocket console_;
  HostSocket channel_;
  HostSocket legacy_;
  std::unique_ptr<Vm> vm_;
};

TEST_F(ConsoleTest, CarriesBytesOfManyPorts) {
  Boot();
  ExpectAllPorts();

  // Both ways at once, without loss.
  ExpectEcho(channel_, "vport0p1", IsFullRun() ? 3200 : 128, absl::Minutes(IsFullRun() ? 60 : 2));

  // The legacy console.
  EXPECT_EQ(Say(*vm_, "echo from hvc1 > /dev/hvc1"), "");
  EXPECT_EQ(legacy_.Exchange("", 11, kCommandLimit).value_or(""), "from hvc1\r\n");
  ExpectEcho(legacy_, "hvc1", 1);

  // A reader that comes late: nobody waits, nothing is lost.
  EXPECT_EQ(Say(*vm_,
                "dd if=/dev/urandom of=/run/blob bs=65536 count=16 2>/dev/null; "
                "(cat /run/blob > /dev/vport0p1) > /dev/null 2>&1 & sleep 1; echo alive"),
            "alive\n");
  const absl::StatusOr<std::string> blob = channel_.Exchange("", 1 << 20, kCommandLimit);
  ASSERT_TRUE(blob.ok()) << blob.status();
  EXPECT_EQ(Say(*vm_, "crc32 < /run/blob"), absl::StrFormat("%08x\n", Crc32(*blob)));

  // KE-38: a console that nobody reads takes what its driver has buffers for, and no more.
  const uint64_t resident = ResidentMib(vm_->pid());
  EXPECT_LT(console_.Flood(uint64_t{1} << 30, absl::Seconds(2)), uint64_t{4} << 20);
  EXPECT_LT(ResidentMib(vm_->pid()), resident + 16);
}

TEST_F(ConsoleTest, LogsIn) {
  Boot();

  EXPECT_EQ(Say(*vm_,
                "echo 'root::0:0:root:/root:/bin/sh' > /etc/passwd; mkdir -p /root; "
                "(setsid getty 0 hvc0 vt100 & setsid getty -n -l /bin/sh 0 hvc1 vt100 &) "
                "< /dev/null > /dev/null 2>&1"),
            "");

  for (const auto& [text, answer] : std::vector<std::pair<std::string, std::string>>{
           {"", "touchstone login: "},
           {"root\r", "/root # "},
           {"echo $((6 * 7)) of $(tty)\r", "42 of /dev/hvc0\r\n"},
           {"sh -c 'echo $((6 * 8)); sleep 1000'\r", "48\r\n"},
           {"\x03", "# "},
           {"stty -echo; seq 2000 | tail -n 1; exit\r", "2000\r\n"}}) {
    const absl::StatusOr<std::string> heard = console_.Converse(text, answer, kCommandLimit);
    ASSERT_TRUE(heard.ok()) << heard.status();
  }
  for (const auto& [text, answer] : std::vector<std::pair<std::string, std::string>>{
           {"", "# "}, {"echo $((6 * 8)) of $(tty)\r", "48 of /dev/hvc1\r\n"}}) {
    const absl::StatusOr<std::string> heard = legacy_.Converse(text, answer, kCommandLimit);
    ASSERT_TRUE(heard.ok()) << heard.status();
  }
}

TEST_F(ConsoleTest, DriversComeAndGo) {
  Boot();
  ExpectAllPorts();

  EXPECT_EQ(Say(*vm_, absl::StrCat("echo virtio0 > ", kDriver,
                                   "/unbind; ls /sys/class/virtio-ports | grep vport0")),
            "");
  EXPECT_EQ(Say(*vm_, absl::StrCat("echo virtio0 > ", kDriver, "/bind")), "");
  ExpectAllPorts();

  EXPECT_EQ(Say(*vm_, "modprobe -r virtio_console; ls -d /sys/class/virtio-ports 2>/dev/null"), "");
  EXPECT_EQ(Say(*vm_, "modprobe virtio_console"), "");
  ExpectAllPorts();
  EXPECT_EQ(Say(*vm_, "dmesg | grep -i -E 'virtio.*(error|fail)|irq .*nobody|lockup'"), "");
}

// The machine's standard streams as the guest's console=hvc0: the test's own commands go through
// it.
class ConsoleTerminalTest : public ::testing::TestWithParam<std::vector<std::string>> {};

TEST_P(ConsoleTerminalTest, IsTheConsoleAndHasTheSizeOfTheTerminal) {
  const auto vm = StartLinux(
      kCloudKernel,
      {.memory_mib = 256, .options = GetParam(), .streams = ChildProcess::Streams::kTerminal});
  ASSERT_TRUE(vm->AwaitReady(kBootLimit).ok());

  EXPECT_EQ(Say(*vm, "cat /sys/class/tty/console/active"), "hvc0\n");
  EXPECT_EQ(Say(*vm, "grep -o console=.* /proc/cmdline"), "console=hvc0 quiet\n");
  for (const auto& [columns, rows] : {std::pair(132, 50), std::pair(71, 93)}) {
    ASSERT_TRUE(vm->Resize(columns, rows).ok());
    const std::string size = absl::StrCat(rows, " ", columns);
    EXPECT_EQ(Say(*vm, absl::StrFormat("for i in $(seq 100); do stty size < /dev/hvc0 > /run/size; "
                                       "grep -q '^%s$' /run/size && break; usleep 20000; done; "
                                       "cat /run/size",
                                       size)),
              size + "\n");
  }
}

constexpr char kTerminal[] = "--serial=stdout,hardware=virtio-console,num=1,stdin,console";

// Told in the configuration, and with a control message.
INSTANTIATE_TEST_SUITE_P(Single, ConsoleTerminalTest,
                         ::testing::Values(std::vector<std::string>{kTerminal}));
INSTANTIATE_TEST_SUITE_P(
    Ports, ConsoleTerminalTest,
    ::testing::Values(std::vector<std::string>{
        kTerminal, "--serial=sink,hardware=virtio-console,num=2,name=org.example.other"}));

}  // namespace
}  // namespace touchstone
