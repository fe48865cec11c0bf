#include "base/memory/truncation_guard.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vector>

#include "base/scoped_fd.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

constexpr size_t kPage = 4096;

// Four pages of a file, each filled with its number from 1 on.
class TruncationGuardTest : public testing::Test {
 protected:
  TruncationGuardTest() : file_(memfd_create("test", MFD_CLOEXEC)) {
    EXPECT_EQ(ftruncate(file_.get(), 4 * kPage), 0);
    host_ = static_cast<volatile uint8_t*>(
        mmap(nullptr, 4 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0));
    for (size_t i = 0; i < 4; ++i) host_[i * kPage] = static_cast<uint8_t>(i + 1);
  }
  ~TruncationGuardTest() override { munmap(address(), 4 * kPage); }

  void* address() { return const_cast<uint8_t*>(host_); }

  ScopedFd file_;
  volatile uint8_t* host_;
};

TEST_F(TruncationGuardTest, WhatIsMissingReadsAsZero) {
  const TruncationGuard guard = TruncationGuard::Watch(address(), 4 * kPage).value();
  EXPECT_FALSE(guard.truncated());
  EXPECT_EQ(ftruncate(file_.get(), kPage), 0);

  EXPECT_EQ(host_[2 * kPage], 0);
  EXPECT_TRUE(guard.truncated());
  EXPECT_EQ(host_[kPage], 0);
  EXPECT_EQ(host_[0], 1);
}

TEST_F(TruncationGuardTest, WhatIsMissingIsWritten) {
  const TruncationGuard guard = TruncationGuard::Watch(address(), 4 * kPage).value();
  EXPECT_EQ(ftruncate(file_.get(), 0), 0);
  host_[3 * kPage + 5] = 7;

  EXPECT_EQ(host_[3 * kPage + 5], 7);
  EXPECT_EQ(host_[0], 0);
}

TEST_F(TruncationGuardTest, GuardsComeAndGo) {
  for (int i = 0; i < 2 * TruncationGuard::kMaxGuards; ++i) {
    EXPECT_TRUE(TruncationGuard::Watch(address(), 4 * kPage).ok());
  }
  std::vector<TruncationGuard> guards;
  while (true) {
    absl::StatusOr<TruncationGuard> guard = TruncationGuard::Watch(address(), 4 * kPage);
    if (!guard.ok()) {
      EXPECT_EQ(guard.status().code(), absl::StatusCode::kResourceExhausted);
      break;
    }
    guards.push_back(*std::move(guard));
  }

  EXPECT_EQ(guards.size(), size_t{TruncationGuard::kMaxGuards});
}

// Whatever is not guarded takes the course it took before.
TEST_F(TruncationGuardTest, OthersFaultAsEver) {
  EXPECT_EQ(ftruncate(file_.get(), 0), 0);

  EXPECT_DEATH(
      {
        signal(SIGBUS, SIG_DFL);
        {
          const auto installed = TruncationGuard::Watch(address(), kPage);
        }
        host_[kPage] = 1;
      },
      "");
}

}  // namespace
}  // namespace touchstone
