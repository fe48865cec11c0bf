#include "hypervisor/kvm/kvm_hypervisor.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/kvm/test_guest.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

TEST(OpenKvmTest, PathThatDoesNotExistIsNamed) {
  const absl::Status status = OpenKvm("/nonexistent/kvm").status();

  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("/nonexistent/kvm"));
}

TEST(OpenKvmTest, DeviceThatIsNotKvmIsNamed) {
  const absl::Status status = OpenKvm("/dev/null").status();

  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr("/dev/null: KVM_GET_API_VERSION"));
}

class KvmHypervisorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (NoKvm().has_value()) GTEST_SKIP() << *NoKvm();
    absl::StatusOr<std::unique_ptr<Hypervisor>> hypervisor = OpenKvm(kKvmPath);
    ASSERT_TRUE(hypervisor.ok()) << hypervisor.status();
    hypervisor_ = *std::move(hypervisor);
  }

  std::unique_ptr<Hypervisor> hypervisor_;
};

TEST_F(KvmHypervisorTest, SupportedCpuidStartsWithTheVendor) {
  const absl::StatusOr<std::vector<CpuidEntry>> cpuid = hypervisor_->SupportedCpuid();

  ASSERT_TRUE(cpuid.ok()) << cpuid.status();
  ASSERT_FALSE(cpuid->empty());
  const auto vendor = std::find_if(cpuid->begin(), cpuid->end(),
                                   [](const CpuidEntry& entry) { return entry.function == 0; });
  ASSERT_NE(vendor, cpuid->end());
  EXPECT_NE(vendor->ebx, 0);
}

TEST_F(KvmHypervisorTest, StateMsrsHaveTheTimeStampCounter) {
  const absl::StatusOr<std::vector<uint32_t>> msrs = hypervisor_->StateMsrs();

  ASSERT_TRUE(msrs.ok()) << msrs.status();
  EXPECT_THAT(*msrs, testing::Contains(0x10));
}

TEST_F(KvmHypervisorTest, VmOutlivesTheHypervisor) {
  absl::StatusOr<std::unique_ptr<Vm>> vm = hypervisor_->CreateVm();
  ASSERT_TRUE(vm.ok()) << vm.status();
  hypervisor_.reset();

  const absl::StatusOr<std::unique_ptr<Vcpu>> vcpu = (*vm)->CreateVcpu(0, {});
  ASSERT_TRUE(vcpu.ok()) << vcpu.status();
  vm->reset();

  EXPECT_TRUE((*vcpu)->GetRegisters().ok());
}

TEST_F(KvmHypervisorTest, VcpuBeyondTheLimitIsRefused) {
  const absl::StatusOr<std::unique_ptr<Vm>> vm = hypervisor_->CreateVm();
  ASSERT_TRUE(vm.ok());
  EXPECT_GE(hypervisor_->max_vcpus(), 64);

  EXPECT_FALSE((*vm)->CreateVcpu(1 << 20, {}).ok());
}

}  // namespace
}  // namespace touchstone
