// gmock doubles of Hypervisor, Vm and Vcpu: for error paths only, everything else is easier with
// the fakes.
//
//   testing::StrictMock<MockVm> vm;
//   EXPECT_CALL(vm, CreateIrqChip).WillOnce(Return(absl::InternalError("no")));

#ifndef TOUCHSTONE_HYPERVISOR_MOCK_MOCK_HYPERVISOR_H_
#define TOUCHSTONE_HYPERVISOR_MOCK_MOCK_HYPERVISOR_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "hypervisor/hypervisor.h"

namespace touchstone {

class MockHypervisor : public Hypervisor {
 public:
  MOCK_METHOD(absl::StatusOr<std::unique_ptr<Vm>>, CreateVm, (), (override));
  MOCK_METHOD(absl::StatusOr<std::vector<CpuidEntry>>, SupportedCpuid, (), (override));
  MOCK_METHOD(absl::StatusOr<std::vector<uint32_t>>, StateMsrs, (), (override));
  MOCK_METHOD(uint32_t, max_vcpus, (), (const, override));
};

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_MOCK_MOCK_HYPERVISOR_H_
