#include "vmm/jail/syscall_names.h"

#include <sys/syscall.h>

#include <optional>

#include "gtest/gtest.h"

namespace touchstone {
namespace {

TEST(SyscallNames, FirstOldAndNew) {
  EXPECT_EQ(SyscallNumber("read"), SYS_read);
  EXPECT_EQ(SyscallNumber("_sysctl"), SYS__sysctl);
  EXPECT_EQ(SyscallNumber("close_range"), SYS_close_range);
}

TEST(SyscallNames, ThereAndBack) {
  for (const int number : {SYS_read, SYS_openat, SYS_ptrace, SYS_clone3, SYS_io_uring_enter}) {
    EXPECT_EQ(SyscallNumber(SyscallName(number)), number);
  }
}

TEST(SyscallNames, UnknownOnes) {
  EXPECT_EQ(SyscallNumber("reed"), std::nullopt);
  EXPECT_EQ(SyscallNumber(""), std::nullopt);
  EXPECT_EQ(SyscallName(-1), "unknown");
  EXPECT_EQ(SyscallName(1 << 30), "unknown");
}

}  // namespace
}  // namespace touchstone
