// Debian's balloon driver over the balloon: what the host's process holds follows the guest.

#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/virtio/balloon_channel.h"
#include "integration/virtio/virtio_guest.h"

namespace touchstone {
namespace {

using ::testing::AllOf;
using ::testing::Ge;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::Lt;

constexpr int64_t kMib = 1 << 20;
constexpr char kReady[] = "\"Ready\"";
constexpr char kDriver[] = "/sys/bus/virtio/drivers/virtio_balloon";

// What the process of the machine holds, in MiB.
int64_t ResidentMib(const Vm& vm) {
  std::ifstream statm(absl::StrCat("/proc/", vm.pid(), "/statm"));
  int64_t size = 0;
  int64_t resident = -1;
  statm >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE) / kMib;
}

// The same once it is no more than `limit`, or after a time in which it should be.
int64_t SettledMib(const Vm& vm, int64_t limit) {
  const absl::Time deadline = absl::Now() + absl::Seconds(40);
  while (ResidentMib(vm) > limit && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(100));
  return ResidentMib(vm);
}

// A number of /proc/meminfo, in MiB.
int64_t MeminfoMib(Vm& vm, const std::string& name) {
  int64_t mib = -1;
  EXPECT_TRUE(absl::SimpleAtoi(
      Say(vm, absl::StrCat("awk '/^", name, ":/{print int($2/1024)}' /proc/meminfo")), &mib));
  return mib;
}

// The guest writes to so much of its memory, and keeps it until Forget.
std::string Fill(Vm& vm, int64_t mib) {
  return Say(vm, absl::StrCat("mount -o remount,size=90% /dev/shm && dd if=/dev/zero "
                              "of=/dev/shm/fill bs=1M count=",
                              mib, " 2>/dev/null && echo full"));
}
void Forget(Vm& vm) { EXPECT_EQ(Say(vm, "rm /dev/shm/fill"), ""); }

TEST(BalloonTest, TakesMemoryAndGivesItBack) {
  BalloonChannel channel;
  std::unique_ptr<Vm> vm = StartVirtioGuest({channel.option()});
  const absl::StatusOr<std::string> ready = vm->AwaitReady(kBootLimit);
  ASSERT_TRUE(ready.ok()) << ready.status();
  ASSERT_EQ(channel.Next(), kReady);
  const int64_t much = MeminfoMib(*vm, "MemFree") - 24;
  ASSERT_GT(much, 140);
  ASSERT_EQ(Fill(*vm, much), "full\n");
  Forget(*vm);
  const int64_t full = ResidentMib(*vm);
  EXPECT_GT(full, 200);

  // Half of its memory.
  EXPECT_EQ(channel.Adjust(128 * kMib), 128 * kMib);
  EXPECT_LT(ResidentMib(*vm), full - 100);
  const int64_t free = MeminfoMib(*vm, "MemFree");
  EXPECT_THAT(free, AllOf(Gt(10), Lt(much - 80)));
  const std::string statistics = channel.Ask("\"Stats\"");
  EXPECT_EQ(NumberIn(statistics, "balloon_actual"), 128 * kMib);
  EXPECT_EQ(NumberIn(statistics, "total_memory") / kMib, MeminfoMib(*vm, "MemTotal"));
  EXPECT_NEAR(static_cast<double>(NumberIn(statistics, "free_memory") / kMib),
              static_cast<double>(free), 16);
  EXPECT_THAT(NumberIn(statistics, "minor_faults"), Gt(0));
  EXPECT_THAT(statistics, HasSubstr("\"shared_memory\":null"));

  // And back.
  EXPECT_EQ(channel.Adjust(0), 0);
  EXPECT_EQ(Fill(*vm, much), "full\n");
  EXPECT_GT(ResidentMib(*vm), full - 24);
  Forget(*vm);

  // A guest that runs out of memory takes it out of the balloon, and nobody is killed.
  EXPECT_EQ(channel.Adjust(128 * kMib), 128 * kMib);
  EXPECT_EQ(Fill(*vm, MeminfoMib(*vm, "MemFree") + 16), "full\n");
  EXPECT_THAT(channel.Statistic("balloon_actual"), AllOf(Gt(64 * kMib), Le(124 * kMib)));
  EXPECT_EQ(Say(*vm, "dmesg | grep -c 'Out of memory'"), "0\n");
  Forget(*vm);

  // The driver lets go of the device with its pages, and takes it again with as many.
  EXPECT_EQ(Say(*vm, absl::StrCat("echo virtio1 > ", kDriver, "/unbind")), "");
  EXPECT_GT(MeminfoMib(*vm, "MemFree"), free + 100);
  EXPECT_EQ(channel.Ask("\"Stats\""), "\"NotReady\"");
  EXPECT_EQ(Say(*vm, absl::StrCat("echo virtio1 > ", kDriver, "/bind")), "");
  EXPECT_EQ(channel.Next(), kReady);
  EXPECT_EQ(channel.Adjust(128 * kMib), 128 * kMib);

  // So does its module.
  EXPECT_EQ(Say(*vm, "rmmod virtio_balloon && modprobe virtio_balloon"), "");
  EXPECT_EQ(channel.Next(), kReady);
  EXPECT_EQ(channel.Adjust(64 * kMib), 64 * kMib);
  EXPECT_EQ(channel.Adjust(0), 0);
  EXPECT_EQ(Say(*vm, "dmesg | grep -i balloon"), "");
}

TEST(BalloonTest, BeginsInflatedAndReportsFreePages) {
  BalloonChannel channel;
  std::unique_ptr<Vm> vm = StartVirtioGuest(
      {channel.option(), "--init-mem=192", "--balloon-page-reporting", "--strict-balloon"});
  const absl::StatusOr<std::string> ready = vm->AwaitReady(kBootLimit);
  ASSERT_TRUE(ready.ok()) << ready.status();
  ASSERT_EQ(channel.Next(), kReady);
  EXPECT_EQ(channel.Adjust(64 * kMib), 64 * kMib);

  // MUST_TELL_HOST, STATS_VQ, no DEFLATE_ON_OOM, REPORTING; without the third, pages in the balloon
  // are no memory.
  EXPECT_EQ(Say(*vm, "cut -c1-8 /sys/bus/virtio/devices/virtio1/features"), "11000100\n");
  EXPECT_THAT(MeminfoMib(*vm, "MemTotal"), AllOf(Ge(120), Lt(192)));

  ASSERT_EQ(Fill(*vm, 80), "full\n");
  const int64_t full = ResidentMib(*vm);
  Forget(*vm);
  EXPECT_LT(SettledMib(*vm, full - 60), full - 59);

  // What was reported is used again.
  EXPECT_EQ(Fill(*vm, 80), "full\n");
  EXPECT_GT(ResidentMib(*vm), full - 20);
}

}  // namespace
}  // namespace touchstone
