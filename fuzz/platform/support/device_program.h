// The interpreter that the fuzzers of platform devices share: a program of register accesses and
// time steps, on a loop that is turned by hand.
//
// Program: operations, each an opcode byte and its operands.
//
//   opcode % 4   operands              effect
//   0            offset                Read of opcode / 4 % 8 + 1 bytes
//   1            offset, the bytes     Write of as many
//   2            exponent              2^(exponent % 40) ns pass
//   3            the device's          opcode / 4 is handed to it

#ifndef TOUCHSTONE_FUZZ_PLATFORM_SUPPORT_DEVICE_PROGRAM_H_
#define TOUCHSTONE_FUZZ_PLATFORM_SUPPORT_DEVICE_PROGRAM_H_

#include <cstdint>
#include <utility>

#include "absl/functional/function_ref.h"
#include "base/event/manual_loop.h"
#include "base/log.h"
#include "devices/bus/bus_device.h"
#include "fuzz/support/fuzz_input.h"

namespace touchstone {

struct DeviceUnderTest {
  BusDevice& device;
  uint64_t range;  // its ports; accesses may begin a little beyond
  ManualLoop& loop;
  // Operation 3. May be given any value.
  absl::FunctionRef<void(uint8_t operation, FuzzInput& input)> operation;
  // Called after each operation: what always holds.
  absl::FunctionRef<void()> check;
};

// Runs `input` to its end.
void RunDeviceProgram(FuzzInput& input, const DeviceUnderTest& test);

// CHECKs that the state of `device` is one that `fresh`, of the same kind and clock, takes over
// whole.
template <typename Device>
void CheckSaveRestore(Device& device, Device& fresh) {
  const auto state = device.Save();
  CHECK(fresh.Restore(state).ok());
  CHECK(fresh.Save() == state);
}

}  // namespace touchstone

#endif  // TOUCHSTONE_FUZZ_PLATFORM_SUPPORT_DEVICE_PROGRAM_H_
