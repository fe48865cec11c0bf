#include "hypervisor/kvm/kvm_capabilities.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/kvm/kvm_abi.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(KvmCapabilitiesTest, EveryMissingCapabilityIsNamed) {
  const absl::StatusOr<KvmCapabilities> capabilities = ReadKvmCapabilities([](int capability) {
    return capability == KVM_CAP_IRQFD || capability == KVM_CAP_IMMEDIATE_EXIT ? 0 : 1;
  });

  ASSERT_TRUE(absl::IsUnimplemented(capabilities.status()));
  EXPECT_EQ(capabilities.status().message(), "KVM lacks KVM_CAP_IRQFD, KVM_CAP_IMMEDIATE_EXIT");
}

TEST(KvmCapabilitiesTest, OptionalCapabilitiesMayBeAbsent) {
  const absl::StatusOr<KvmCapabilities> capabilities = ReadKvmCapabilities([](int capability) {
    switch (capability) {
      case KVM_CAP_MAX_VCPUS:
      case KVM_CAP_SYNC_REGS:
      case KVM_CAP_X86_SMM:
      case KVM_CAP_EXCEPTION_PAYLOAD:
      case KVM_CAP_X86_TRIPLE_FAULT_EVENT:
      case KVM_CAP_XSAVE2:
      case KVM_CAP_SPLIT_IRQCHIP:
        return 0;
      case KVM_CAP_X86_BUS_LOCK_EXIT:
        return KVM_BUS_LOCK_DETECTION_OFF;
      case KVM_CAP_NR_VCPUS:
        return 4;
      default:
        return 1;
    }
  });

  ASSERT_TRUE(capabilities.ok()) << capabilities.status();
  EXPECT_EQ(capabilities->max_vcpus, 4);
  EXPECT_FALSE(capabilities->sync_regs);
  EXPECT_FALSE(capabilities->smm);
  EXPECT_FALSE(capabilities->exception_payload);
  EXPECT_FALSE(capabilities->triple_fault_event);
  EXPECT_FALSE(capabilities->xsave2);
  EXPECT_FALSE(capabilities->split_irq_chip);
  EXPECT_FALSE(capabilities->bus_lock_exit);
}

TEST(KvmCapabilitiesTest, PresentCapabilitiesAreTold) {
  const absl::StatusOr<KvmCapabilities> capabilities = ReadKvmCapabilities(
      [](int capability) { return capability == KVM_CAP_MAX_VCPUS ? 1024 : 7; });

  ASSERT_TRUE(capabilities.ok());
  EXPECT_EQ(capabilities->max_vcpus, 1024);
  EXPECT_TRUE(capabilities->sync_regs);
  EXPECT_TRUE(capabilities->xsave2);
  EXPECT_TRUE(capabilities->split_irq_chip);
  EXPECT_TRUE(capabilities->bus_lock_exit);
}

TEST(KvmCapabilitiesTest, AnErrorCountsAsMissing) {
  const absl::StatusOr<KvmCapabilities> capabilities = ReadKvmCapabilities([](int) { return -1; });

  EXPECT_THAT(capabilities.status().message(), HasSubstr("KVM_CAP_USER_MEMORY"));
  EXPECT_THAT(capabilities.status().message(), Not(HasSubstr("KVM_CAP_SYNC_REGS")));
}

}  // namespace
}  // namespace touchstone
