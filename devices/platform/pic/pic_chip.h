// One 8259A (Intel 8259A data sheet), without its bus and its neighbour: inputs, priorities,
// commands. Pic (pic.h) joins two of them.
//
// Only what a processor of the 8086 family finds is there: no CALL instructions, no buffered mode.
// An input is edge- or level-triggered by its bit of the edge/level control register, or by LTIM
// all are. An edge is remembered until it is acknowledged, as KVM's PIC does; the data sheet's
// would turn one whose input falls too early into the default IR7. The input that the other chip's
// output is on counts by its level, so that a request that it withdraws is withdrawn here.
//
// Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_PIC_PIC_CHIP_H_
#define TOUCHSTONE_DEVICES_PLATFORM_PIC_PIC_CHIP_H_

#include <cstdint>

#include "devices/platform/pic/pic_registers.h"

namespace touchstone {

// All there is to a chip.
struct PicChipState {
  uint8_t inputs = 0;               // levels
  uint8_t edges = 0;                // of edge-triggered inputs, not yet acknowledged
  uint8_t in_service = 0;           // ISR
  uint8_t mask = 0;                 // IMR
  uint8_t level = 0;                // edge/level control: 1 is level
  uint8_t vector = 0;               // of input 0
  uint8_t lowest = kPicInputs - 1;  // the input with the lowest priority
  uint8_t next_icw = 0;             // 2 to 4; 0 outside an initialization
  bool icw4_follows = false;
  bool all_level = false;  // LTIM
  bool single = false;     // SNGL
  bool auto_eoi = false;
  bool auto_rotate = false;
  bool fully_nested = false;  // SFNM
  bool special_mask = false;
  bool read_in_service = false;
  bool poll = false;  // the next read is an acknowledge

  bool operator==(const PicChipState&) const = default;
};

class PicChip {
 public:
  // `cascade` are the inputs with another chip's output on them, `level_mask` those that the
  // edge/level control can change.
  PicChip(uint8_t cascade, uint8_t level_mask) : cascade_(cascade), level_mask_(level_mask) {}

  void SetInput(int input, bool level);

  // INT: an input asks for more than what is in service and masked leaves.
  [[nodiscard]] bool output() const { return Request() != 0; }

  // INTA: takes the most urgent request into service and returns its input. Without one, that is
  // kPicSpuriousInput and nothing is in service.
  uint8_t Acknowledge();
  [[nodiscard]] uint8_t vector(uint8_t input) const { return state_.vector | input; }

  uint8_t Read(uint64_t offset);
  void Write(uint64_t offset, uint8_t value);
  // The edge/level control register.
  [[nodiscard]] uint8_t trigger() const { return state_.level; }
  void SetTrigger(uint8_t level) { state_.level = level & level_mask_; }

  [[nodiscard]] const PicChipState& state() const { return state_; }
  // False, and nothing changed, when no chip can be in that state.
  [[nodiscard]] bool Restore(const PicChipState& state);

 private:
  [[nodiscard]] uint8_t LevelInputs() const;
  // IRR.
  [[nodiscard]] uint8_t Pending() const;
  // The request that INT is for, as a bit; 0 without one.
  [[nodiscard]] uint8_t Request() const;
  // The most urgent of `inputs`, as a bit.
  [[nodiscard]] uint8_t MostUrgent(uint8_t inputs) const;
  void Initialize(uint8_t icw1);
  void WriteData(uint8_t value);
  void Command(uint8_t ocw2);
  // Ends the service of `inputs`, and with `rotate` makes them the least urgent.
  void End(uint8_t inputs, bool rotate);

  const uint8_t cascade_;
  const uint8_t level_mask_;
  PicChipState state_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_PIC_PIC_CHIP_H_
