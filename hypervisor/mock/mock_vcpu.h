// See mock_hypervisor.h.

#ifndef TOUCHSTONE_HYPERVISOR_MOCK_MOCK_VCPU_H_
#define TOUCHSTONE_HYPERVISOR_MOCK_MOCK_VCPU_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "hypervisor/vcpu.h"

namespace touchstone {

class MockVcpu : public Vcpu {
 public:
  MOCK_METHOD(absl::StatusOr<VcpuExit>, Run, (), (override));
  MOCK_METHOD(void, Kick, (), (override));
  MOCK_METHOD(void, NotePause, (), (override));
  MOCK_METHOD(absl::StatusOr<GeneralRegisters>, GetRegisters, (), (override));
  MOCK_METHOD(absl::Status, SetRegisters, (const GeneralRegisters& registers), (override));
  MOCK_METHOD(absl::StatusOr<SpecialRegisters>, GetSpecialRegisters, (), (override));
  MOCK_METHOD(absl::Status, SetSpecialRegisters, (const SpecialRegisters& registers), (override));
  MOCK_METHOD(absl::StatusOr<std::vector<Msr>>, GetMsrs, (absl::Span<const uint32_t> indices),
              (override));
  MOCK_METHOD(absl::StatusOr<std::vector<uint32_t>>, SetMsrs, (absl::Span<const Msr> msrs),
              (override));
  MOCK_METHOD(absl::StatusOr<ExtendedState>, GetExtendedState, (), (override));
  MOCK_METHOD(absl::Status, SetExtendedState, (const ExtendedState& state), (override));
  MOCK_METHOD(absl::StatusOr<LapicState>, GetLapic, (), (override));
  MOCK_METHOD(absl::Status, SetLapic, (const LapicState& state), (override));
  MOCK_METHOD(absl::StatusOr<VcpuEvents>, GetEvents, (), (override));
  MOCK_METHOD(absl::Status, SetEvents, (const VcpuEvents& events), (override));
  MOCK_METHOD(absl::StatusOr<uint32_t>, GetTscKhz, (), (override));
  MOCK_METHOD(absl::Status, SetTscKhz, (uint32_t khz), (override));
  MOCK_METHOD(absl::Status, SetDebug, (const DebugControl& control), (override));
  MOCK_METHOD(absl::StatusOr<std::vector<VcpuCounter>>, Counters, (), (const, override));
};

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_MOCK_MOCK_VCPU_H_
