#include "hypervisor/kvm/probe.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/fake/fake_hypervisor.h"
#include "hypervisor/kvm/test_guest.h"
#include "hypervisor/mock/mock_hypervisor.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(10);

TEST(ClassifyKvmTest, SpeedOfTheHostIsHardware) {
  EXPECT_EQ(ClassifyKvm(absl::Microseconds(2), absl::Microseconds(2)), KvmKind::kHardware);
  EXPECT_EQ(ClassifyKvm(absl::ZeroDuration(), absl::Microseconds(2)), KvmKind::kHardware);
}

TEST(ClassifyKvmTest, NoiseOfANestedKvmIsHardware) {
  EXPECT_EQ(ClassifyKvm(absl::Microseconds(300), absl::Microseconds(25)), KvmKind::kHardware);
}

TEST(ClassifyKvmTest, TwoMillionInstructionsASecondIsEmulation) {
  EXPECT_EQ(ClassifyKvm(absl::Milliseconds(4), absl::Microseconds(3)), KvmKind::kEmulating);
}

TEST(ProbeHypervisorTest, GuestThatEndsAtOnceIsHardware) {
  FakeHypervisor hypervisor;
  hypervisor.OnVcpu([](FakeVcpu& vcpu) {
    vcpu.set_idle_exit(IoExit{.port = 0xF4, .size = 1, .is_write = true});
  });

  const KvmProbe probe = ProbeHypervisor(hypervisor, kPatience);

  EXPECT_EQ(probe.kind, KvmKind::kHardware) << probe.explanation;
  EXPECT_THAT(probe.explanation, HasSubstr("hardware: guest code takes"));
}

TEST(ProbeHypervisorTest, GuestThatNeverEndsIsUnusable) {
  FakeHypervisor hypervisor;

  const KvmProbe probe = ProbeHypervisor(hypervisor, absl::Milliseconds(1));

  EXPECT_EQ(probe.kind, KvmKind::kUnusable);
  EXPECT_EQ(probe.explanation, "guest code does not end in time");
}

TEST(ProbeHypervisorTest, GuestThatCannotRunIsUnusableWithTheReason) {
  FakeHypervisor hypervisor;
  hypervisor.OnVcpu(
      [](FakeVcpu& vcpu) { vcpu.set_idle_exit(InternalErrorExit{1, "emulation failed"}); });

  const KvmProbe probe = ProbeHypervisor(hypervisor, kPatience);

  EXPECT_EQ(probe.kind, KvmKind::kUnusable);
  EXPECT_EQ(probe.explanation, "guest code does not run: emulation failed");
}

TEST(ProbeHypervisorTest, HypervisorWithoutVmsIsUnusable) {
  testing::StrictMock<MockHypervisor> hypervisor;
  EXPECT_CALL(hypervisor, CreateVm).WillOnce([] {
    return absl::ResourceExhaustedError("KVM_CREATE_VM: no memory");
  });

  const KvmProbe probe = ProbeHypervisor(hypervisor, kPatience);

  EXPECT_EQ(probe.kind, KvmKind::kUnusable);
  EXPECT_EQ(probe.explanation, "KVM_CREATE_VM: no memory");
}

TEST(ProbeKvmTest, NoDeviceIsUnusableWithThePath) {
  const KvmProbe probe = ProbeKvm("/nonexistent/kvm");

  EXPECT_EQ(probe.kind, KvmKind::kUnusable);
  EXPECT_THAT(probe.explanation, HasSubstr("/nonexistent/kvm"));
}

TEST(ProbeKvmTest, DeviceOfThisMachineIsUsable) {
  if (NoKvm().has_value()) GTEST_SKIP() << *NoKvm();

  const KvmProbe probe = ProbeKvm(kKvmPath);

  EXPECT_NE(probe.kind, KvmKind::kUnusable) << probe.explanation;
}

}  // namespace
}  // namespace touchstone
