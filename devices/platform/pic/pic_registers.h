// The registers of the 8259A interrupt controller (Intel 8259A data sheet, order number
// 231468-003) and where a PC has its two. Shared by the device and the tests.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_PIC_PIC_REGISTERS_H_
#define TOUCHSTONE_DEVICES_PLATFORM_PIC_PIC_REGISTERS_H_

#include <cstdint>

namespace touchstone {

inline constexpr int kPicInputs = 8;  // of one chip
inline constexpr int kPicCascadeInput = 2;

// Ports.
inline constexpr uint16_t kPicPrimaryPort = 0x20;
inline constexpr uint16_t kPicSecondaryPort = 0xa0;
inline constexpr uint64_t kPicPortCount = 2;
// Edge/level control (Intel 82371AB data sheet, 4.2.5): one byte per chip.
inline constexpr uint16_t kPicTriggerPort = 0x4d0;
inline constexpr uint64_t kPicTriggerPortCount = 2;
inline constexpr uint8_t kPicPrimaryLevelMask = 0xf8;    // IRQ 0 to 2 are always edges
inline constexpr uint8_t kPicSecondaryLevelMask = 0xde;  // IRQ 8 and 13 too

// Of the two ports of a chip, by A0.
inline constexpr uint64_t kPicCommandOffset = 0;  // ICW1, OCW2, OCW3; reads IRR or ISR
inline constexpr uint64_t kPicDataOffset = 1;     // ICW2 to ICW4, OCW1 (the mask)

// ICW1: begins an initialization.
inline constexpr uint8_t kPicIcw1 = 0x10;        // tells it from OCW2 and OCW3
inline constexpr uint8_t kPicIcw1Level = 0x08;   // LTIM: all inputs are level-triggered
inline constexpr uint8_t kPicIcw1Single = 0x02;  // SNGL: no cascade, no ICW3
inline constexpr uint8_t kPicIcw1Icw4 = 0x01;    // IC4: an ICW4 follows

// ICW2: the upper bits of the interrupt vector.
inline constexpr uint8_t kPicVectorMask = 0xf8;

// ICW4.
inline constexpr uint8_t kPicIcw4FullyNested = 0x10;  // SFNM
inline constexpr uint8_t kPicIcw4AutoEoi = 0x02;      // AEOI
inline constexpr uint8_t kPicIcw48086 = 0x01;         // uPM; there is no other processor here

// OCW2: end of interrupt and priorities, in bits 7 to 5, for the level in bits 2 to 0.
inline constexpr uint8_t kPicOcw2Command = 0xe0;
inline constexpr uint8_t kPicOcw2Level = 0x07;
inline constexpr uint8_t kPicAutoRotateClear = 0x00;
inline constexpr uint8_t kPicEoi = 0x20;
inline constexpr uint8_t kPicSpecificEoi = 0x60;
inline constexpr uint8_t kPicAutoRotateSet = 0x80;
inline constexpr uint8_t kPicRotateEoi = 0xa0;
inline constexpr uint8_t kPicSetPriority = 0xc0;
inline constexpr uint8_t kPicRotateSpecificEoi = 0xe0;

// OCW3.
inline constexpr uint8_t kPicOcw3 = 0x08;                // tells it from OCW2
inline constexpr uint8_t kPicOcw3SetSpecialMask = 0x40;  // ESMM: SMM is meant
inline constexpr uint8_t kPicOcw3SpecialMask = 0x20;     // SMM
inline constexpr uint8_t kPicOcw3Poll = 0x04;            // P
inline constexpr uint8_t kPicOcw3SetRead = 0x02;         // RR: RIS is meant
inline constexpr uint8_t kPicOcw3ReadInService = 0x01;   // RIS: ISR instead of IRR
inline constexpr uint8_t kPicPollInterrupt = 0x80;       // I, in the answer to a poll
inline constexpr uint8_t kPicSpuriousInput = 7;          // "default IR7"

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_PIC_PIC_REGISTERS_H_
