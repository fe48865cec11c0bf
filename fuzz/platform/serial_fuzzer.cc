// A UART with a guest that does anything, a host that types and a consumer that stalls.
//
// Input: a program (support/device_program.h). Operations of the device: type, stall, drain,
// restore a made-up state.

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/log.h"
#include "devices/irq/recording_irq_line.h"
#include "devices/platform/serial/serial.h"
#include "devices/platform/serial/serial_testing.h"
#include "fuzz/platform/support/device_program.h"
#include "fuzz/support/fuzz_input.h"

namespace touchstone {
namespace {

// Whether registers like these interrupt (PC16550D table V).
bool Interrupts(const SerialState& state) {
  return ((state.interrupt_enable & kIerLineStatus) != 0 && state.overrun) ||
         ((state.interrupt_enable & kIerReceive) != 0 && !state.received.empty()) ||
         ((state.interrupt_enable & kIerTransmit) != 0 && state.transmit_interrupt) ||
         ((state.interrupt_enable & kIerModem) != 0 && state.modem_deltas != 0);
}

SerialState MadeUpState(FuzzInput& input) {
  SerialState state;
  state.interrupt_enable = input.U8();
  state.fifo_control = input.U8();
  state.modem_control = input.U8();
  state.modem_deltas = input.U8();
  state.idle_polls = input.U8();
  state.transmit_interrupt = input.Bool();
  const absl::Span<const uint8_t> received = input.Bytes(input.U8());
  state.received.assign(received.begin(), received.end());
  state.looped = input.U8();
  return state;
}

void FuzzSerial(FuzzInput input) {
  ManualLoop loop;
  FakeOutput output;
  FakeInput host;
  RecordingIrqLine irq;
  Serial serial(output, host, irq);
  const auto operation = [&](uint8_t number, FuzzInput& operands) {
    const absl::Span<const uint8_t> text = operands.Bytes(number % 4 == 0 ? operands.U8() : 0);
    switch (number % 4) {
      case 0:
        host.Type(std::string(text.begin(), text.end()));
        break;
      case 1:
        output.SetCapacity(operands.U8());
        break;
      case 2:
        output.Drain();
        break;
      default:
        static_cast<void>(serial.Restore(MadeUpState(operands)));
        break;
    }
  };
  const auto check = [&] {
    const SerialState state = serial.Save();
    CHECK(state.received.size() <= kSerialFifoSize);
    CHECK(state.looped <= state.received.size());
    // A saved state owes the interrupt that a stalled output holds back.
    CHECK(irq.level() == Interrupts(state) || !output.Ready());
  };
  RunDeviceProgram(input, {serial, kSerialPortCount, loop, operation, check});

  NullOutput other_output;
  NullInput other_input;
  RecordingIrqLine other_irq;
  Serial fresh(other_output, other_input, other_irq);
  CheckSaveRestore(serial, fresh);
  CHECK(other_irq.level() == Interrupts(fresh.Save()));
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  touchstone::FuzzSerial(touchstone::FuzzInput(data, size));
  return 0;
}
