// The power management block with a guest that sleeps at odd times and a host that presses buttons.
//
// Input: a program (support/device_program.h). Operations of the device: the buttons, the alarm,
// general-purpose events, a wake-up, restore a made-up state.

#include <cstddef>
#include <cstdint>

#include "base/log.h"
#include "devices/irq/recording_irq_line.h"
#include "devices/platform/acpi_pm/acpi_pm.h"
#include "fuzz/platform/support/device_program.h"
#include "fuzz/support/fuzz_input.h"

namespace touchstone {
namespace {

AcpiPmState MadeUpState(FuzzInput& input) {
  AcpiPmState state;
  state.status = input.U16();
  state.enable = input.U16();
  state.control = input.U16();
  state.timer = input.U32();
  state.sleeping = input.Bool();
  state.gpe_status[input.U8() % kGpe0HalfLength] = input.U8();
  state.gpe_enable[input.U8() % kGpe0HalfLength] = input.U8();
  return state;
}

bool Interrupts(const AcpiPmState& state) {
  bool level = (state.status & state.enable) != 0;
  for (size_t i = 0; i < kGpe0HalfLength; ++i) {
    level |= (state.gpe_status[i] & state.gpe_enable[i]) != 0;
  }
  return level;
}

void FuzzAcpiPm(FuzzInput input) {
  ManualLoop loop;
  RecordingIrqLine sci;
  int suspends = 0;
  int wakes = 0;
  const auto width = input.Bool() ? AcpiPm::TimerWidth::k32Bits : AcpiPm::TimerWidth::k24Bits;
  AcpiPm pm(loop.clock(), loop, sci,
            {.on_power_off = nullptr,
             .on_suspend = [&suspends] { ++suspends; },
             .on_wake = [&wakes] { ++wakes; }},
            width);
  const auto operation = [&](uint8_t number, FuzzInput& operands) {
    switch (number % 6) {
      case 0:
        return pm.PressPowerButton();
      case 1:
        return pm.PressSleepButton();
      case 2:
        return pm.NotifyRtcAlarm();
      case 3:
        return pm.RaiseGpe(static_cast<int16_t>(operands.U16()));
      case 4:
        return pm.Wake();
      default:
        if (AcpiPmState state = MadeUpState(operands); pm.Restore(state).ok() && state.sleeping) {
          ++suspends;
        }
        return;
    }
  };
  const auto check = [&] {
    const AcpiPmState state = pm.Save();
    // A status that the timer has raised since the last access interrupts at the next.
    CHECK(sci.level() == Interrupts(state) || (state.status & kPm1TimerStatus) != 0);
    CHECK((state.control & kPm1SleepEnable) == 0 && (state.control & kPm1SciEnable) != 0);
    CHECK(wakes <= suspends);
  };
  RunDeviceProgram(input, {pm, kAcpiPmPortCount, loop, operation, check});

  RecordingIrqLine other_sci;
  AcpiPm fresh(loop.clock(), loop, other_sci, {}, width);
  CheckSaveRestore(pm, fresh);
  CHECK(other_sci.level() == Interrupts(fresh.Save()));
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  touchstone::FuzzAcpiPm(touchstone::FuzzInput(data, size));
  return 0;
}
