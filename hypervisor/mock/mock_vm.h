// See mock_hypervisor.h.

#ifndef TOUCHSTONE_HYPERVISOR_MOCK_MOCK_VM_H_
#define TOUCHSTONE_HYPERVISOR_MOCK_MOCK_VM_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "hypervisor/vm.h"

namespace touchstone {

class MockVm : public Vm {
 public:
  MOCK_METHOD(absl::Status, SetMemory, (uint32_t slot, const MemorySlot& memory), (override));
  MOCK_METHOD(absl::StatusOr<std::vector<uint64_t>>, TakeDirtyLog, (uint32_t slot), (override));
  MOCK_METHOD(absl::Status, CreateIrqChip, (), (override));
  MOCK_METHOD(absl::Status, SetBootCpu, (uint32_t id), (override));
  MOCK_METHOD(absl::Status, CreateSplitIrqChip,
              (uint32_t ioapic_pins, ExternalInterrupts& external), (override));
  MOCK_METHOD(absl::Status, EnableExit, (OptionalExit exit), (override));
  MOCK_METHOD(absl::StatusOr<std::unique_ptr<Vcpu>>, CreateVcpu,
              (uint32_t id, absl::Span<const CpuidEntry> cpuid), (override));
  MOCK_METHOD(absl::Status, AddIoEvent, (const IoEvent& io_event, const EventFd& event),
              (override));
  MOCK_METHOD(absl::Status, RemoveIoEvent, (const IoEvent& io_event, const EventFd& event),
              (override));
  MOCK_METHOD(absl::Status, AddIrqFd,
              (uint32_t gsi, const EventFd& trigger, const EventFd* resample), (override));
  MOCK_METHOD(absl::Status, RemoveIrqFd, (uint32_t gsi, const EventFd& trigger), (override));
  MOCK_METHOD(absl::Status, SetIrqRoutes, (absl::Span<const IrqRoute> routes), (override));
  MOCK_METHOD(absl::Status, SetIrqLine, (uint32_t gsi, bool level), (override));
  MOCK_METHOD(absl::StatusOr<bool>, SignalMsi, (const MsiMessage& message), (override));
  MOCK_METHOD(absl::StatusOr<IrqChipState>, GetIrqChip, (), (override));
  MOCK_METHOD(absl::Status, SetIrqChip, (const IrqChipState& state), (override));
  MOCK_METHOD(absl::StatusOr<ClockState>, GetClock, (), (override));
  MOCK_METHOD(absl::Status, SetClock, (const ClockState& state), (override));
};

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_MOCK_MOCK_VM_H_
