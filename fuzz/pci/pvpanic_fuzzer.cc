// Accesses of every shape to pvpanic's registers and configuration space.
//
// Input: operations: an opcode byte, an offset, bytes.

#include <cstddef>
#include <cstdint>

#include "base/endian.h"
#include "base/log.h"
#include "devices/platform/pvpanic/pvpanic.h"
#include "fuzz/support/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using touchstone::Pvpanic;
  touchstone::FuzzInput input(data, size);
  int events = 0;
  Pvpanic pvpanic([&events](uint8_t bits) {
    CHECK(bits != 0 && (bits & ~Pvpanic::kKnownEvents) == 0);
    ++events;
  });
  while (!input.empty()) {
    const uint8_t opcode = input.U8();
    const uint64_t offset = input.U8() % Pvpanic::kBarSize;
    uint8_t buffer[8] = {};
    const size_t width = opcode / 4 % 8 + 1;
    const int before = events;
    switch (opcode % 4) {
      case 0:
        pvpanic.Read(offset, absl::MakeSpan(buffer, width));
        CHECK(buffer[0] == (offset == 0 ? Pvpanic::kKnownEvents : 0));
        break;
      case 1:
        pvpanic.Write(offset, input.Bytes(width));
        CHECK(events == before || offset == 0);
        break;
      case 2:
        pvpanic.ReadConfig(input.U16(), absl::MakeSpan(buffer, width));
        break;
      case 3:
        pvpanic.WriteConfig(input.U16(), input.Bytes(width));
        break;
    }
  }
  uint8_t identity[4];
  pvpanic.ReadConfig(0, absl::MakeSpan(identity));
  CHECK(touchstone::LoadLe(identity) == 0x00111B36);
  return 0;
}
