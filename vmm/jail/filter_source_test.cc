#include "vmm/jail/filter_source.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/jail/filter_testing.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

uint32_t Verdict(const absl::StatusOr<Filter>& filter, int number) {
  return filter.ok() ? RunFilter(*filter, {.nr = number, .arch = AUDIT_ARCH_X86_64}) : 0;
}

class FilterSourceTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/policies.XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void Write(absl::string_view name, absl::string_view text) const {
    std::ofstream(absl::StrCat(directory_, "/", name)) << text;
  }
  [[nodiscard]] absl::StatusOr<Filter> Load(bool log_failures = false) const {
    return LoadFilter({.directory = directory_, .log_failures = log_failures}, "rng_device");
  }

  std::string directory_;
};

TEST_F(FilterSourceTest, BuiltinWithoutADirectory) {
  const absl::StatusOr<Filter> filter = LoadFilter({}, "rng_device");
  EXPECT_EQ(Verdict(filter, SYS_getrandom), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Verdict(filter, SYS_mkdir), SECCOMP_RET_TRAP);
  EXPECT_TRUE(absl::IsNotFound(LoadFilter({}, "bogus_device").status()));
}

TEST_F(FilterSourceTest, LogsFailures) {
  const absl::StatusOr<Filter> filter = LoadFilter({.log_failures = true}, "rng_device");
  EXPECT_EQ(Verdict(filter, SYS_mkdir), SECCOMP_RET_LOG);
  EXPECT_EQ(Verdict(filter, SYS_clone), SECCOMP_RET_LOG);
  EXPECT_EQ(Verdict(filter, SYS_openat), SECCOMP_RET_ERRNO | 2);
}

TEST_F(FilterSourceTest, TextWithIncludes) {
  Write("rng_device.policy", "@include base.policy\nmkdir: 1\n");
  Write("base.policy", "read: 1\n");
  EXPECT_EQ(Verdict(Load(), SYS_mkdir), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Verdict(Load(), SYS_read), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Verdict(Load(), SYS_write), SECCOMP_RET_TRAP);
}

TEST_F(FilterSourceTest, BinaryComesFirst) {
  Write("rng_device.policy", "mkdir: 1\n");
  Write("rng_device.bpf", FilterBytes(*CompileFilter({})));
  EXPECT_EQ(Verdict(Load(), SYS_mkdir), SECCOMP_RET_TRAP);
  EXPECT_EQ(Verdict(Load(true), SYS_mkdir), SECCOMP_RET_ALLOW);
}

TEST_F(FilterSourceTest, ErrorsNameTheFile) {
  EXPECT_EQ(Load().status().message(),
            absl::StrCat("--seccomp-policy-dir: open ", directory_,
                         "/rng_device.policy: No such file or directory"));
  Write("rng_device.policy", "\nreed: 1\n");
  EXPECT_THAT(
      Load().status().message(),
      HasSubstr(absl::StrCat(directory_, "/rng_device.policy:2: 'reed' is no system call")));
  Write("rng_device.bpf", "1234567");
  EXPECT_THAT(Load().status().message(),
              HasSubstr("rng_device.bpf: 7 bytes are no seccomp filter"));
}

}  // namespace
}  // namespace touchstone
