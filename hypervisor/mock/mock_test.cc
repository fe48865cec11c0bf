// The mocks override every method: each can be made to fail.

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/mock/mock_hypervisor.h"
#include "hypervisor/mock/mock_vcpu.h"
#include "hypervisor/mock/mock_vm.h"

namespace touchstone {
namespace {

using ::testing::Return;
using ::testing::StrictMock;

TEST(MockTest, HypervisorFailsAsTold) {
  StrictMock<MockHypervisor> mock;
  Hypervisor& hypervisor = mock;
  EXPECT_CALL(mock, CreateVm).WillOnce([] { return absl::ResourceExhaustedError("no VM"); });

  EXPECT_TRUE(absl::IsResourceExhausted(hypervisor.CreateVm().status()));
}

TEST(MockTest, VmFailsAsTold) {
  StrictMock<MockVm> mock;
  Vm& vm = mock;
  EXPECT_CALL(mock, CreateIrqChip).WillOnce(Return(absl::InternalError("no interrupts")));

  EXPECT_TRUE(absl::IsInternal(vm.CreateIrqChip()));
}

TEST(MockTest, VcpuFailsAsTold) {
  StrictMock<MockVcpu> mock;
  Vcpu& vcpu = mock;
  EXPECT_CALL(mock, Run).WillOnce(Return(absl::StatusOr<VcpuExit>(absl::InternalError("no"))));

  EXPECT_TRUE(absl::IsInternal(vcpu.Run().status()));
}

}  // namespace
}  // namespace touchstone
