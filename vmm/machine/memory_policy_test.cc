#include "vmm/machine/memory_policy.h"

#include <stdint.h>

#include <fstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/memory/memory_control.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint64_t kSize = 64 << 10;

// VmFlags of the mapping that begins at `host` (Linux, filesystems/proc: lo is locked, dc is not
// copied on fork).
std::string FlagsOf(const void* host) {
  std::ifstream maps("/proc/self/smaps");
  std::string line;
  bool inside = false;
  while (std::getline(maps, line)) {
    uint64_t start = 0;
    const std::string first = line.substr(0, line.find('-'));
    if (first.size() < line.size() && absl::SimpleHexAtoi(first, &start)) {
      inside = start == reinterpret_cast<uintptr_t>(host);
    }
    if (inside && absl::StartsWith(line, "VmFlags:")) return line + " ";
  }
  return "";
}

class MemoryPolicyTest : public testing::Test {
 protected:
  std::string Flags() { return FlagsOf(memory_.regions()[0].host); }

  RunConfig config_;
  const GuestMemory memory_ = GuestMemory::Create({{GuestAddress{0}, kSize}}, {}).value();
};

TEST_F(MemoryPolicyTest, WithoutOptionsNothingIsSaid) {
  ASSERT_TRUE(ApplyMemoryPolicy(config_, memory_).ok());

  EXPECT_THAT(Flags(), AllOf(HasSubstr("VmFlags"), Not(HasSubstr(" lo ")), Not(HasSubstr(" dc "))));
}

TEST_F(MemoryPolicyTest, LockedMemoryIsLocked) {
  config_.set_lock_guest_memory(true);

  ASSERT_TRUE(ApplyMemoryPolicy(config_, memory_).ok());

  EXPECT_THAT(Flags(), HasSubstr(" lo "));
}

TEST_F(MemoryPolicyTest, ABalloonStillTakesLockedMemory) {
  config_.set_lock_guest_memory(true);
  ASSERT_TRUE(ApplyMemoryPolicy(config_, memory_).ok());
  ASSERT_TRUE(memory_.Fill(GuestAddress{0}, 8192, 7).ok());

  EXPECT_EQ(GuestMemoryControl(memory_).Release(GuestAddress{4096}, 4096).value(), 4096u);

  EXPECT_EQ(memory_.ReadObject<uint8_t>(GuestAddress{4095}).value(), 7);
  EXPECT_EQ(memory_.ReadObject<uint8_t>(GuestAddress{4096}).value(), 0);
}

TEST_F(MemoryPolicyTest, ChildrenDoNotGetIt) {
  config_.set_unmap_guest_memory_on_fork(true);

  ASSERT_TRUE(ApplyMemoryPolicy(config_, memory_).ok());

  EXPECT_THAT(Flags(), HasSubstr(" dc "));
}

}  // namespace
}  // namespace touchstone
