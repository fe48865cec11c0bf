#include "vmm/machine/vcpu_placement.h"

#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "devices/module/text_proto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/config/config_schema.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

RunConfig Config(const std::string& text) {
  RunConfig config;
  EXPECT_TRUE(ReadTextProto(text, config).ok());
  return config;
}

TEST(PlanPlacementTest, WithoutOptionsThereIsNothingToDoOnAGoodHost) {
  EXPECT_EQ(PlanPlacement(Config(""), 0, /*leaky=*/false), VcpuPlacement());
}

TEST(PlanPlacementTest, OptionsAreOfTheirVcpus) {
  const RunConfig config =
      Config("cpu_affinity: '0=3:1=4-5' rt_cpus: 1 vcpu_cgroup_path: '/cgroup'");

  EXPECT_EQ(PlanPlacement(config, 0, false),
            (VcpuPlacement{.host_cpus = {3}, .cgroup = "/cgroup"}));
  EXPECT_EQ(PlanPlacement(config, 1, false),
            (VcpuPlacement{.host_cpus = {4, 5}, .realtime = true, .cgroup = "/cgroup"}));
  EXPECT_EQ(PlanPlacement(config, 2, false), (VcpuPlacement{.cgroup = "/cgroup"}));
}

TEST(PlanPlacementTest, RealTimeCanWait) {
  const RunConfig config = Config("rt_cpus: 1 delay_rt: true");

  EXPECT_EQ(PlanPlacement(config, 0, false), VcpuPlacement());
  EXPECT_EQ(PlanPlacement(config, 1, false),
            (VcpuPlacement{.realtime = true, .delay_realtime = true}));
}

TEST(PlanPlacementTest, HostTopologyPinsEachToItsCpu) {
  EXPECT_EQ(PlanPlacement(Config("host_cpu_topology: true"), 5, false),
            (VcpuPlacement{.host_cpus = {5}}));
}

TEST(PlanPlacementTest, CoreSchedulingIsForHostsThatNeedIt) {
  EXPECT_TRUE(PlanPlacement(Config(""), 0, true).own_core_cookie);
  EXPECT_TRUE(PlanPlacement(Config("core_scheduling: true"), 0, true).own_core_cookie);
  EXPECT_FALSE(PlanPlacement(Config("core_scheduling: false"), 0, true).own_core_cookie);
  EXPECT_FALSE(PlanPlacement(Config("per_vm_core_scheduling: true"), 0, true).own_core_cookie);
}

TEST(ApplyPlacementTest, ThreadRunsWhereItIsToldAndNoOther) {
  cpu_set_t before, after, inside;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  uint32_t last = 0;
  for (uint32_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) last = CPU_ISSET(cpu, &before) ? cpu : last;
  absl::Status status;

  std::thread([&] {
    status = ApplyPlacement({.host_cpus = {last}});
    sched_getaffinity(0, sizeof(inside), &inside);
  }).join();

  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(CPU_COUNT(&inside), 1);
  EXPECT_TRUE(CPU_ISSET(last, &inside));
  ASSERT_EQ(sched_getaffinity(0, sizeof(after), &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

TEST(ApplyPlacementTest, CpuThatIsNotThereIsNoError) {
  absl::Status status;

  std::thread([&] { status = ApplyPlacement({.host_cpus = {CPU_SETSIZE - 1}}); }).join();

  EXPECT_TRUE(status.ok()) << status;
}

class CgroupTest : public testing::Test {
 protected:
  CgroupTest() : path_(absl::StrCat(testing::TempDir(), "/cgroup")) {
    mkdir(path_.c_str(), 0700);
    std::ofstream tasks(path_ + "/tasks");
  }
  std::string Tasks() {
    std::ifstream file(path_ + "/tasks");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  const std::string path_;
};

TEST_F(CgroupTest, TheThreadEntersIt) {
  absl::Status status;
  pid_t id = 0;

  std::thread([&] {
    id = gettid();
    status = ApplyPlacement({.cgroup = path_});
  }).join();

  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(Tasks(), std::to_string(id));
}

TEST_F(CgroupTest, OneThatIsNotThereIsAnError) {
  EXPECT_EQ(ApplyPlacement({.cgroup = "/no/such/cgroup"}).message(),
            "--vcpu-cgroup-path: open /no/such/cgroup/tasks: No such file or directory");
}

TEST_F(CgroupTest, IdThatIsRefusedIsAnError) {
  ASSERT_EQ(unlink((path_ + "/tasks").c_str()), 0);
  ASSERT_EQ(symlink("/dev/full", (path_ + "/tasks").c_str()), 0);

  EXPECT_THAT(std::string(JoinCgroup(path_, 7).message()),
              HasSubstr("--vcpu-cgroup-path: write of 7 to "));
  unlink((path_ + "/tasks").c_str());
}

}  // namespace
}  // namespace touchstone
