#include "vmm/machine/cpu/cpu_clusters.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Clusters = std::vector<std::vector<uint32_t>>;

std::string Refusal(const CpuTopology& topology, const Clusters& clusters) {
  return std::string(PlaceCpus(topology, clusters).status().message());
}

TEST(CpuClustersTest, CoresAloneAreWhereTheTopologyHasThem) {
  const auto places = PlaceCpus(ChooseTopology(4, true), {});

  ASSERT_TRUE(places.ok()) << places.status();
  EXPECT_THAT(places->places,
              ElementsAre(CpuPlace{0, 1}, CpuPlace{1, 1}, CpuPlace{2, 1}, CpuPlace{3, 1}));
  EXPECT_EQ(places->topology.socket_shift(), 2);
}

TEST(CpuClustersTest, ClusterBeginsAtAPowerOfTwo) {
  const auto places = PlaceCpus(ChooseTopology(6, false), Clusters{{3, 4}, {0, 1, 2}});

  ASSERT_TRUE(places.ok()) << places.status();
  EXPECT_THAT(places->places, ElementsAre(CpuPlace{0, 2}, CpuPlace{1, 2}, CpuPlace{2, 2},
                                          CpuPlace{4, 1}, CpuPlace{5, 1}, CpuPlace{6, 0}));
  EXPECT_EQ(places->topology.socket_shift(), 3);
}

TEST(CpuClustersTest, ThreadsStayTogether) {
  const auto places = PlaceCpus(ChooseTopology(8, true), Clusters{{6, 7, 0, 1}, {2, 3, 4, 5}});

  ASSERT_TRUE(places.ok()) << places.status();
  EXPECT_THAT(places->places,
              ElementsAre(CpuPlace{0, 2}, CpuPlace{1, 2}, CpuPlace{4, 2}, CpuPlace{5, 2},
                          CpuPlace{6, 2}, CpuPlace{7, 2}, CpuPlace{2, 2}, CpuPlace{3, 2}));
}

TEST(CpuClustersTest, ClusterThatSplitsACoreIsRefused) {
  EXPECT_EQ(Refusal(ChooseTopology(4, true), {{0, 1, 2}}),
            "virtual CPUs 2 and 3 are threads of one core, so a cluster has both or none of them; "
            "--no-smt makes each a core");
  EXPECT_EQ(Refusal(ChooseTopology(4, false), {{0, 1, 2}}), "");
}

TEST(CpuClustersTest, GapsThatPassTheLastApicIdAreRefused) {
  Clusters clusters;
  for (uint32_t first = 0; first < 65 * 3; first += 3) {
    clusters.push_back({first, first + 1, first + 2});
  }

  EXPECT_THAT(Refusal(ChooseTopology(65 * 3, true), clusters), HasSubstr("APIC ids up to 258"));
  clusters.pop_back();
  EXPECT_EQ(Refusal(ChooseTopology(64 * 3, false), clusters), "");
}

}  // namespace
}  // namespace touchstone
