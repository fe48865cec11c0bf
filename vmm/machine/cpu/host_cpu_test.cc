#include "vmm/machine/cpu/host_cpu.h"

#include <cpuid.h>
#include <sched.h>

#include <algorithm>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const CpuidEntry* Find(const HostCpu& cpu, uint32_t function, uint32_t index) {
  const auto found = std::find_if(
      cpu.leaves.begin(), cpu.leaves.end(),
      [&](const CpuidEntry& leaf) { return leaf.function == function && leaf.index == index; });
  return found == cpu.leaves.end() ? nullptr : &*found;
}

TEST(HostCpuTest, NoneOfNone) { EXPECT_THAT(ReadHostCpus(0).value(), IsEmpty()); }

TEST(HostCpuTest, FirstHasTheLeavesOfThisProcessor) {
  const std::vector<HostCpu> cpus = ReadHostCpus(1).value();

  ASSERT_THAT(cpus, SizeIs(1));
  const CpuidEntry* features = Find(cpus[0], 1, 0);
  ASSERT_NE(features, nullptr);
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
  __cpuid(1, eax, ebx, ecx, edx);
  EXPECT_EQ(features->eax, eax);
  EXPECT_FALSE(features->significant_index);
  EXPECT_EQ(cpus[0].apic_id & 0xFF, features->ebx >> 24);
}

TEST(HostCpuTest, TellsOfPowerManagement) {
  const HostCpu cpu = ReadHostCpus(1).value()[0];

  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
  ASSERT_NE(__get_cpuid(6, &eax, &ebx, &ecx, &edx), 0);
  EXPECT_EQ(cpu.power.function, 6u);
  EXPECT_EQ(cpu.power.eax, eax);
  EXPECT_EQ(cpu.power.ecx, ecx);
}

TEST(HostCpuTest, NoLeafIsThereTwice) {
  const HostCpu cpu = ReadHostCpus(1).value()[0];

  std::set<std::pair<uint32_t, uint32_t>> leaves;
  for (const CpuidEntry& leaf : cpu.leaves) leaves.insert({leaf.function, leaf.index});
  EXPECT_EQ(leaves.size(), cpu.leaves.size());
}

TEST(HostCpuTest, CallersAffinityStays) {
  cpu_set_t before, after;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);

  ASSERT_TRUE(ReadHostCpus(1).ok());

  ASSERT_EQ(sched_getaffinity(0, sizeof(after), &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

TEST(HostCpuTest, CpuThatIsNotThereIsAnErrorThatNamesIt) {
  EXPECT_THAT(std::string(ReadHostCpus(CPU_SETSIZE).status().message()), HasSubstr("host CPU "));
}

}  // namespace
}  // namespace touchstone
