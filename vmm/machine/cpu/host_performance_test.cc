#include "vmm/machine/cpu/host_performance.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

// Two CPUs as sysfs shows them, the second the faster.
class HostPerformanceTest : public testing::Test {
 protected:
  HostPerformanceTest() {
    for (const int cpu : {0, 1}) {
      std::filesystem::create_directories(Folder(cpu));
      Put(cpu, "highest_perf", absl::StrCat(40 + cpu, "\n"));
      Put(cpu, "nominal_perf", "24\n");
      Put(cpu, "lowest_nonlinear_perf", "11\n");
      Put(cpu, "lowest_perf", "1\n");
      Put(cpu, "reference_perf", "25\n");
      Put(cpu, "lowest_freq", "0\n");
      Put(cpu, "nominal_freq", "2600\n");
      Put(cpu, "feedback_ctrs", "ref:1 del:2\n");
    }
  }
  ~HostPerformanceTest() override { std::filesystem::remove_all(root_); }

  std::string Folder(int cpu) const { return absl::StrCat(root_, "/cpu", cpu, "/acpi_cppc/"); }
  void Put(int cpu, absl::string_view name, absl::string_view text) {
    std::ofstream(absl::StrCat(Folder(cpu), name)) << text;
  }

  const std::string root_ = testing::TempDir() + "/cpus";
};

TEST_F(HostPerformanceTest, EachCpuHasItsOwn) {
  const auto cpus = ReadHostPerformance(2, root_);

  ASSERT_TRUE(cpus.ok()) << cpus.status();
  ASSERT_EQ(cpus->size(), 2u);
  EXPECT_EQ((*cpus)[0].highest, 40u);
  EXPECT_EQ((*cpus)[1].highest, 41u);
  EXPECT_EQ((*cpus)[1].nominal, 24u);
  EXPECT_EQ((*cpus)[1].lowest_nonlinear, 11u);
  EXPECT_EQ((*cpus)[1].lowest, 1u);
  EXPECT_EQ((*cpus)[1].reference, 25u);
  EXPECT_EQ((*cpus)[1].lowest_mhz, 0u);
  EXPECT_EQ((*cpus)[1].nominal_mhz, 2600u);
}

TEST_F(HostPerformanceTest, ACpuThatTellsNothingIsNamed) {
  EXPECT_THAT(std::string(ReadHostPerformance(3, root_).status().message()),
              HasSubstr("/cpus/cpu2/acpi_cppc/highest_perf"));
}

TEST_F(HostPerformanceTest, WhatIsNoNumberIsQuoted) {
  for (const char* text : {"", "fast\n", "-1\n", "4294967296\n"}) {
    Put(1, "lowest_perf", text);

    const absl::Status status = ReadHostPerformance(2, root_).status();

    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr("/cpu1/acpi_cppc/lowest_perf: '"));
  }
}

}  // namespace
}  // namespace touchstone
