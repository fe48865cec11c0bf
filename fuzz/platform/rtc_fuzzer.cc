// A real-time clock whose guest sets it, its alarm and its rates, while the host's clock jumps.
//
// Input: a program (support/device_program.h). Operations of the device: step the host's clock,
// restore a made-up state.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"
#include "base/log.h"
#include "devices/irq/recording_irq_line.h"
#include "devices/platform/rtc/rtc.h"
#include "fuzz/platform/support/device_program.h"
#include "fuzz/support/fuzz_input.h"

namespace touchstone {
namespace {

RtcState MadeUpState(FuzzInput& input) {
  RtcState state;
  state.index = input.U8();
  state.flags = input.U8();
  state.offset = absl::Seconds(static_cast<int64_t>(input.U64()));
  state.checked = absl::FromUnixSeconds(static_cast<int64_t>(input.U64()));
  state.time_written = input.Bool();
  state.divider_was_reset = input.Bool();
  const absl::Span<const uint8_t> registers = input.Bytes(input.U8() % (kRtcSize + 1));
  std::copy(registers.begin(), registers.end(), state.registers.begin());
  return state;
}

void FuzzRtc(FuzzInput input) {
  ManualLoop loop;
  RecordingIrqLine irq;
  int alarms = 0;
  Rtc rtc(loop.clock(), loop, irq, {.below_4g = 1 << 30, .above_4g = 1 << 20},
          [&alarms] { ++alarms; });
  const auto operation = [&](uint8_t number, FuzzInput& operands) {
    if (number % 2 == 0) {
      loop.clock().SetNow(absl::FromUnixSeconds(operands.U32()) +
                          absl::Microseconds(operands.U16()));
    } else {
      static_cast<void>(rtc.Restore(MadeUpState(operands)));
    }
  };
  const auto check = [&] {
    const RtcState state = rtc.Save();
    CHECK(irq.level() == ((state.flags & state.registers[kRtcRegisterB]) != 0));
  };
  RunDeviceProgram(input, {rtc, kRtcPortCount, loop, operation, check});

  RecordingIrqLine other_irq;
  Rtc fresh(loop.clock(), loop, other_irq, {}, nullptr);
  CheckSaveRestore(rtc, fresh);
  CHECK(other_irq.level() == irq.level());
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  touchstone::FuzzRtc(touchstone::FuzzInput(data, size));
  return 0;
}
