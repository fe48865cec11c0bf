// The two PICs under a guest that programs them at will, devices that move their inputs, and a
// processor that acknowledges.
//
// Input: a program (support/device_program.h); ports 0 and 1 are the primary's, 2 and 3 the
// secondary's, 4 and 5 the edge/level control. Operations of the device: move an input,
// acknowledge, restore a made-up state.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "base/event/manual_loop.h"
#include "base/log.h"
#include "devices/bus/bus_device.h"
#include "devices/platform/pic/pic.h"
#include "fuzz/platform/support/device_program.h"
#include "fuzz/support/fuzz_input.h"

namespace touchstone {
namespace {

// The three places side by side.
class AllPorts final : public BusDevice {
 public:
  explicit AllPorts(Pic& pic) : pic_(pic) {}
  void Read(uint64_t offset, absl::Span<uint8_t> data) override {
    if (offset < 6) Part(offset).Read(offset % 2, data.first(Length(offset, data.size())));
  }
  void Write(uint64_t offset, absl::Span<const uint8_t> data) override {
    if (offset < 6) Part(offset).Write(offset % 2, data.first(Length(offset, data.size())));
  }

 private:
  BusDevice& Part(uint64_t offset) {
    if (offset < 2) return pic_.primary();
    return offset < 4 ? pic_.secondary() : pic_.trigger();
  }
  // At most a byte beyond the part, which the device has to ignore.
  static size_t Length(uint64_t offset, size_t size) {
    return std::min(size, 2 - static_cast<size_t>(offset % 2));
  }

  Pic& pic_;
};

PicChipState MadeUpChip(FuzzInput& input) {
  PicChipState state;
  state.inputs = input.U8();
  state.edges = input.U8();
  state.in_service = input.U8();
  state.mask = input.U8();
  state.level = input.U8();
  state.vector = input.U8();
  state.lowest = input.U8();
  state.next_icw = input.U8() % 8;
  const uint16_t flags = input.U16();
  state.icw4_follows = (flags & 0x01) != 0;
  state.all_level = (flags & 0x02) != 0;
  state.single = (flags & 0x04) != 0;
  state.auto_eoi = (flags & 0x08) != 0;
  state.auto_rotate = (flags & 0x10) != 0;
  state.fully_nested = (flags & 0x20) != 0;
  state.special_mask = (flags & 0x40) != 0;
  state.read_in_service = (flags & 0x80) != 0;
  state.poll = (flags & 0x100) != 0;
  return state;
}

void FuzzPic(FuzzInput input) {
  bool told = false;
  Pic pic([&told](bool level) {
    CHECK(level != told);
    told = level;
  });
  AllPorts ports(pic);
  ManualLoop loop;
  const auto operation = [&](uint8_t number, FuzzInput& operands) {
    switch (number % 4) {
      case 0:
      case 1:
        pic.SetInput(operands.U8() % Pic::kInputs, number % 4 == 1);
        break;
      case 2: {
        const bool asked = pic.output();
        const PicState before = pic.Save();
        const uint8_t vector = pic.Acknowledge();
        const uint8_t base = vector & kPicVectorMask;
        CHECK(base == before.primary.vector || base == before.secondary.vector);
        CHECK(asked || vector == (before.primary.vector | kPicSpuriousInput));
        break;
      }
      default: {
        PicState state;
        state.primary = MadeUpChip(operands);
        state.secondary = MadeUpChip(operands);
        static_cast<void>(pic.Restore(state));
        break;
      }
    }
  };
  const auto check = [&] { CHECK(told == pic.output()); };
  RunDeviceProgram(input, {ports, 6, loop, operation, check});

  Pic fresh([](bool) {});
  CheckSaveRestore(pic, fresh);
  CHECK(fresh.output() == pic.output());
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  touchstone::FuzzPic(touchstone::FuzzInput(data, size));
  return 0;
}
