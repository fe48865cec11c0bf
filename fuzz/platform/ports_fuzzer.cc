// The devices without state, i8042 and debugcon, under accesses of every shape.
//
// Input: programs (support/device_program.h), the first byte chooses which device.

#include <cstddef>
#include <cstdint>

#include "base/log.h"
#include "devices/platform/debugcon/debugcon.h"
#include "devices/platform/i8042/i8042.h"
#include "devices/platform/serial/serial_testing.h"
#include "fuzz/platform/support/device_program.h"
#include "fuzz/support/fuzz_input.h"

namespace touchstone {
namespace {

void FuzzPorts(FuzzInput input) {
  ManualLoop loop;
  FakeOutput output;
  const auto operation = [&output](uint8_t number, FuzzInput&) { output.SetCapacity(number); };
  if (input.Bool()) {
    Debugcon debugcon(output);
    const size_t size = input.size();
    const auto check = [&] { CHECK(output.text().size() + output.dropped() <= size); };
    RunDeviceProgram(input, {debugcon, 1, loop, operation, check});
    return;
  }
  size_t resets = 0;
  const size_t size = input.size();
  I8042 i8042(I8042::kDataPort, 0, [&resets] { ++resets; });
  const auto check = [&] { CHECK(resets <= size / 3); };
  RunDeviceProgram(input, {i8042, I8042::kLastPort - I8042::kDataPort + 1, loop, operation, check});
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  touchstone::FuzzPorts(touchstone::FuzzInput(data, size));
  return 0;
}
