// A PIT whose guest programs its counters and its gate at will, while time passes.
//
// Input: a program (support/device_program.h); ports 0 to 3 are the PIT's, 4 is port 0x61.
// Operations of the device: let a long time pass, restore a made-up state.

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "base/event/manual_loop.h"
#include "base/log.h"
#include "devices/bus/bus_device.h"
#include "devices/irq/recording_irq_line.h"
#include "devices/platform/pit/pit.h"
#include "fuzz/platform/support/device_program.h"
#include "fuzz/support/fuzz_input.h"

namespace touchstone {
namespace {

class AllPorts final : public BusDevice {
 public:
  explicit AllPorts(Pit& pit) : pit_(pit) {}
  void Read(uint64_t offset, absl::Span<uint8_t> data) override {
    if (offset < kPitPortCount) pit_.Read(offset, data);
    if (offset == kPitPortCount) pit_.speaker().Read(0, data);
  }
  void Write(uint64_t offset, absl::Span<const uint8_t> data) override {
    if (offset < kPitPortCount) pit_.Write(offset, data);
    if (offset == kPitPortCount) pit_.speaker().Write(0, data);
  }

 private:
  Pit& pit_;
};

PitCounterState MadeUpCounter(FuzzInput& input) {
  PitCounterState state;
  const uint16_t flags = input.U16();
  state.mode = flags & 7;
  state.access = flags >> 3 & 3;
  state.phase = static_cast<PitCounterState::Phase>(flags >> 5 & 3);
  state.bcd = (flags & 0x80) != 0;
  state.gate = (flags & 0x100) != 0;
  state.fresh = (flags & 0x200) != 0;
  state.first_half = (flags & 0x400) != 0;
  state.out_before = (flags & 0x800) != 0;
  state.write_high = (flags & 0x1000) != 0;
  state.read_high = (flags & 0x2000) != 0;
  state.start = static_cast<int64_t>(input.U64());
  state.elapsed = static_cast<int64_t>(input.U64());
  state.initial = input.U16() + 1u;
  state.held = input.U16();
  state.count = input.U16();
  state.low_byte = input.U8();
  if ((flags & 0x4000) != 0) state.latched_count = input.U16();
  if ((flags & 0x8000) != 0) state.latched_status = input.U8();
  return state;
}

void FuzzPit(FuzzInput input) {
  ManualLoop loop;
  RecordingIrqLine irq;
  Pit pit(loop.clock(), loop, irq);
  AllPorts ports(pit);
  const auto operation = [&](uint8_t number, FuzzInput& operands) {
    if (number % 2 == 0) {
      loop.clock().Advance(absl::Nanoseconds(operands.U64() >> 12));
      loop.RunReady();
    } else {
      PitState state;
      for (PitCounterState& counter : state.counters) counter = MadeUpCounter(operands);
      state.speaker_data = operands.Bool();
      static_cast<void>(pit.Restore(state));
    }
  };
  const auto check = [&] { static_cast<void>(pit.Save()); };
  RunDeviceProgram(input, {ports, kPitPortCount + 1, loop, operation, check});

  RecordingIrqLine other_irq;
  Pit fresh(loop.clock(), loop, other_irq);
  CheckSaveRestore(pit, fresh);
  CHECK(other_irq.level() == irq.level());
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  touchstone::FuzzPit(touchstone::FuzzInput(data, size));
  return 0;
}
