#include "fuzz/platform/support/device_program.h"

#include <algorithm>
#include <cstddef>

#include "absl/time/time.h"
#include "absl/types/span.h"

namespace touchstone {

void RunDeviceProgram(FuzzInput& input, const DeviceUnderTest& test) {
  while (!input.empty()) {
    const uint8_t opcode = input.U8();
    const size_t width = opcode / 4 % 8 + 1;
    switch (opcode % 4) {
      case 0: {
        const uint64_t offset = input.U8() % (test.range + 2);
        uint8_t data[8];
        std::fill_n(data, width, 0xff);
        test.device.Read(offset, absl::MakeSpan(data, width));
        // Nothing answers beyond the range.
        for (size_t i = 0; i < width; ++i) CHECK(offset + i < test.range || data[i] == 0xff);
        break;
      }
      case 1: {
        const uint64_t offset = input.U8() % (test.range + 2);
        test.device.Write(offset, input.Bytes(width));
        break;
      }
      case 2:
        test.loop.Advance(absl::Nanoseconds(int64_t{1} << (input.U8() % 40)));
        break;
      default:
        test.operation(opcode / 4, input);
        break;
    }
    test.check();
  }
}

}  // namespace touchstone
