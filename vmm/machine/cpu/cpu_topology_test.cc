#include "vmm/machine/cpu/cpu_topology.h"

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;

std::vector<uint32_t> Ids(const CpuTopology& topology) {
  std::vector<uint32_t> ids;
  for (uint32_t i = 0; i < topology.vcpus(); ++i) ids.push_back(ApicId(topology, i));
  return ids;
}

TEST(CpuTopologyTest, EvenCountsHaveTwoThreadsPerCore) {
  EXPECT_EQ(ChooseTopology(2, true), (CpuTopology{2, 1, 1}));
  EXPECT_EQ(ChooseTopology(64, true), (CpuTopology{2, 32, 1}));
  EXPECT_EQ(ChooseTopology(254, true), (CpuTopology{2, 127, 1}));
}

TEST(CpuTopologyTest, OddCountsAndNoSmtHaveOneThreadPerCore) {
  EXPECT_EQ(ChooseTopology(1, true), (CpuTopology{1, 1, 1}));
  EXPECT_EQ(ChooseTopology(3, true), (CpuTopology{1, 3, 1}));
  EXPECT_EQ(ChooseTopology(64, false), (CpuTopology{1, 64, 1}));
}

TEST(CpuTopologyTest, OneSocketHasContiguousIds) {
  EXPECT_THAT(Ids(ChooseTopology(3, true)), ElementsAre(0, 1, 2));
  EXPECT_THAT(Ids(ChooseTopology(6, true)), ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(CpuTopologyTest, FieldsArePowersOfTwo) {
  const CpuTopology three_cores = {.threads_per_core = 2, .cores = 3, .sockets = 2};

  EXPECT_EQ(three_cores.thread_bits(), 1);
  EXPECT_EQ(three_cores.core_bits(), 2);
  EXPECT_EQ(three_cores.socket_shift(), 3);
  EXPECT_THAT(Ids(three_cores), ElementsAre(0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13));
}

TEST(CpuTopologyTest, SingleCountsTakeNoBits) {
  const CpuTopology one;

  EXPECT_EQ(one.socket_shift(), 0);
  EXPECT_EQ(one.vcpus(), 1u);
}

}  // namespace
}  // namespace touchstone
