#include "bench/peers/load_run.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

TEST(LoadRunTest, CostsAreThoseOfAnOperation) {
  const auto costs =
      RunLoads({"sh", "-c",
                "echo kernel noise; echo load begin nothing; echo load end nothing 0 "
                "100; echo load begin read; echo load end read 50 100000; "
                "echo load done"},
               /*trace=*/false);

  ASSERT_TRUE(costs.ok()) << costs.status();
  ASSERT_EQ(costs->size(), 1u);
  EXPECT_EQ((*costs)[0].name, "read");
  EXPECT_EQ((*costs)[0].operations, 50u);
  EXPECT_DOUBLE_EQ((*costs)[0].microseconds, 2.0);
}

TEST(LoadRunTest, AFailedLoadIsAnError) {
  const auto costs = RunLoads({"sh", "-c", "echo load begin read; echo load failed read: EIO"},
                              /*trace=*/false);

  EXPECT_THAT(costs.status().message(), testing::HasSubstr("failed read: EIO"));
}

TEST(LoadTableTest, RatiosAreToTheReference) {
  LoadTable table("B");
  table.Add("A", {{.name = "read",
                   .operations = 1,
                   .microseconds = 3,
                   .device_microseconds = 2,
                   .exits = 1.25}});
  table.Add("B", {{.name = "read", .operations = 1, .microseconds = 4}});

  const std::string text = table.Format();

  EXPECT_THAT(text, testing::ContainsRegex("A +3.00 +0.75 +2.00 +1.250"));
  EXPECT_THAT(text, testing::ContainsRegex("B +4.00 +1.00 +0.00 +0.000"));
}

TEST(LoadTableTest, WithoutTheReferenceThereIsNoRatio) {
  LoadTable table("B");
  table.Add("A", {{.name = "read", .operations = 1, .microseconds = 3}});

  EXPECT_THAT(table.Format(), testing::ContainsRegex("A +3.00 +- "));
}

}  // namespace
}  // namespace touchstone
