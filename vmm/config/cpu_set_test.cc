#include "vmm/config/cpu_set.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::Values;

TEST(CpuSetTest, NumbersAndRanges) {
  EXPECT_THAT(ParseCpuSet("3").value(), ElementsAre(3));
  EXPECT_THAT(ParseCpuSet("0,2-4").value(), ElementsAre(0, 2, 3, 4));
  EXPECT_THAT(ParseCpuSet("5-5").value(), ElementsAre(5));
  EXPECT_THAT(ParseCpuSet("0x10").value(), ElementsAre(16));
  EXPECT_THAT(ParseCpuSet("0-1023").value(), SizeIs(kMostHostCpus));
}

TEST(CpuSetTest, IsSortedAndHasEachOnce) {
  EXPECT_THAT(ParseCpuSet("4,1-2,2,4").value(), ElementsAre(1, 2, 4));
}

class BadSet : public testing::TestWithParam<const char*> {};

TEST_P(BadSet, IsRefusedWithAnExample) {
  EXPECT_THAT(std::string(ParseCpuSet(GetParam()).status().message()),
              HasSubstr("is no set of CPUs such as 0,2-3, each from 0 to 1023"));
}

INSTANTIATE_TEST_SUITE_P(Texts, BadSet,
                         Values("", ",", "0,", ",0", "-1", "1-", "-", "3-1", "0-2-3", "a", "0 ",
                                "1024", "0-4294967295", "0-18446744073709551615"));

TEST(CpuAffinityTest, OneSetIsForAll) {
  const CpuAffinity affinity = ParseCpuAffinity("0,1-3").value();

  EXPECT_THAT(affinity.by_vcpu, IsEmpty());
  EXPECT_THAT(affinity.Of(0), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(affinity.Of(77), ElementsAre(0, 1, 2, 3));
}

TEST(CpuAffinityTest, OneSetForEach) {
  const CpuAffinity affinity = ParseCpuAffinity("0=0:1=1-2:2=0,1").value();

  EXPECT_THAT(affinity.by_vcpu, ElementsAre(Pair(0, ElementsAre(0)), Pair(1, ElementsAre(1, 2)),
                                            Pair(2, ElementsAre(0, 1))));
  EXPECT_THAT(affinity.Of(2), ElementsAre(0, 1));
  EXPECT_THAT(affinity.Of(3), IsEmpty());
}

struct Mistake {
  const char* text;
  const char* error;
};

class BadAffinity : public testing::TestWithParam<Mistake> {};

TEST_P(BadAffinity, IsRefused) {
  EXPECT_THAT(std::string(ParseCpuAffinity(GetParam().text).status().message()),
              HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Texts, BadAffinity,
    Values(Mistake{"", "is no set of CPUs"}, Mistake{"0=", "is no set of CPUs"},
           Mistake{"0=0:1", "'1' is no virtual CPU and its set such as 0=0,2-3"},
           Mistake{"0:1", "is no set of CPUs"}, Mistake{"0=0:", "'' is no virtual CPU"},
           Mistake{"a=0", "'a=0' is no virtual CPU"}, Mistake{"0=0=1", "is no set of CPUs"},
           Mistake{"0=0:0=1", "virtual CPU 0 is given twice"}));

}  // namespace
}  // namespace touchstone
