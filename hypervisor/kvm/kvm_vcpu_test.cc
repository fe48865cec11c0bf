#include "hypervisor/kvm/kvm_vcpu.h"

#include <variant>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/kvm/test_guest.h"

GUEST_CODE(kOut, "16", "mov $0x41, %al; out %al, $0xF0; hlt");

namespace touchstone {
namespace {

using ::testing::ElementsAre;

class KvmVcpuTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (NoKvm().has_value()) GTEST_SKIP() << *NoKvm();
    absl::StatusOr<TestGuest> guest = TestGuest::Create({});
    ASSERT_TRUE(guest.ok()) << guest.status();
    guest_.emplace(*std::move(guest));
  }

  TestGuest& guest() { return *guest_; }
  Vcpu& vcpu() { return guest_->vcpu(); }

  std::optional<TestGuest> guest_;
};

TEST_F(KvmVcpuTest, OutExitsWithItsByte) {
  ASSERT_TRUE(guest().StartRealMode(GuestCode(kOut)).ok());

  const absl::StatusOr<VcpuExit> exit = guest().RunUninterrupted();

  ASSERT_TRUE(exit.ok()) << exit.status();
  const auto& io = std::get<IoExit>(*exit);
  EXPECT_EQ(io.port, 0xF0);
  EXPECT_TRUE(io.is_write);
  EXPECT_THAT(io.data, ElementsAre(0x41));
}

}  // namespace
}  // namespace touchstone
