// An I/O APIC under a guest that programs it at will, devices that move its inputs, and local APICs
// that end interrupts or take none.
//
// Input: a program (support/device_program.h) for IOREGSEL and IOWIN. Operations of the device:
// move an input, end an interrupt, write an entry, make the local APICs take messages or not,
// restore a made-up state.

#include <cstddef>
#include <cstdint>

#include "base/event/manual_loop.h"
#include "base/log.h"
#include "devices/platform/ioapic/ioapic.h"
#include "devices/platform/ioapic/recording_ioapic_target.h"
#include "fuzz/platform/support/device_program.h"
#include "fuzz/support/fuzz_input.h"

namespace touchstone {
namespace {

void WriteRegister(Ioapic& ioapic, uint8_t index, FuzzInput& input) {
  ioapic.Write(kIoapicSelect, absl::MakeConstSpan(&index, 1));
  ioapic.Write(kIoapicWindow, input.Bytes(4));
}

IoapicState MadeUpState(FuzzInput& input) {
  IoapicState state;
  state.select = input.U8();
  state.id = input.U8();
  state.inputs = input.U32();
  for (uint64_t& entry : state.entries) entry = input.U64();
  return state;
}

// Every level that is due was sent, and is watched.
void CheckLevels(const IoapicState& state, const RecordingIoapicTarget& target) {
  for (size_t i = 0; i < kIoapicInputs; ++i) {
    const uint64_t entry = state.entries[i];
    const bool level = (entry & kIoapicLevel) != 0 && (entry >> kIoapicDeliveryShift & 7) <= 1;
    CHECK(level || (entry & kIoapicRemoteIrr) == 0);
    if (!level || (entry & kIoapicMasked) != 0) continue;
    CHECK(target.watched[i].has_value());
    CHECK((target.watched[i]->data & kIoapicVector) == (entry & kIoapicVector));
  }
}

void FuzzIoapic(FuzzInput input) {
  RecordingIoapicTarget target;
  Ioapic ioapic(target);
  ManualLoop loop;
  const auto operation = [&](uint8_t number, FuzzInput& operands) {
    switch (number % 6) {
      case 0:
      case 1:
        ioapic.SetInput(operands.U8() % kIoapicInputs, number % 6 == 1);
        break;
      case 2:
        ioapic.EndOfInterrupt(operands.U8());
        break;
      case 3:
        WriteRegister(ioapic, kIoapicRedirection + operands.U8() % (2 * kIoapicInputs), operands);
        break;
      case 4:
        target.accepts = operands.Bool();
        break;
      default:
        static_cast<void>(ioapic.Restore(MadeUpState(operands)));
        break;
    }
  };
  const auto check = [&] { CheckLevels(ioapic.Save(), target); };
  RunDeviceProgram(input, {ioapic, kIoapicSize, loop, operation, check});

  RecordingIoapicTarget other;
  other.accepts = false;
  Ioapic fresh(other);
  CheckSaveRestore(ioapic, fresh);
  CheckLevels(fresh.Save(), other);
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  touchstone::FuzzIoapic(touchstone::FuzzInput(data, size));
  return 0;
}
