// Interrupts: a device's line through the IOAPIC, as an edge and as a level, and through the PICs,
// the PIT with its port 0x61, the local APIC's timer, and a message that the host sends when asked.

#include "integration/guests/lib/guest.h"

namespace {

constexpr uint8_t kSerialVector = 0x40;
constexpr uint8_t kPitVector = 0x41;
constexpr uint8_t kTimerVector = 0x42;
constexpr uint8_t kMessageVector = 0x43;
constexpr uint8_t kLevelVector = 0x44;
constexpr uint8_t kPicVector = 0x50;  // of the first PIC's input 0
constexpr uint32_t kSerialGsi = 3;    // COM2
// The timer is ISA interrupt 0: IOAPIC pin 0 with Touchstone, pin 2 on a PC like QEMU's (MADT
// override).
constexpr uint32_t kPitPins[] = {0, 2};
constexpr uint16_t kCom2 = 0x2F8;

volatile uint32_t counts[256];

void Count(uint8_t vector) {
  counts[vector] = counts[vector] + 1;
  EndOfInterrupt();
}

void SerialLine(uint8_t vector) {
  In8(kCom2 + 2);  // reading IIR takes the transmitter-empty interrupt back
  Count(vector);
}

void Serial() {
  SetHandler(kSerialVector, SerialLine);
  RouteIoapicPin(kSerialGsi, kSerialVector, false);
  Out8(kCom2 + 4, 0x08);  // MCR: OUT2 connects the interrupt
  Out8(kCom2 + 1, 0x02);  // IER: transmitter empty
  WaitWhileEqual(&counts[kSerialVector], 0);
  Out8(kCom2 + 1, 0);
  Expect("serial interrupt through the IOAPIC", counts[kSerialVector], 1);
}

// The line falls when IIR is read: only the second of two interrupts does so.
void LevelLine(uint8_t vector) {
  if (counts[vector] != 0) In8(kCom2 + 2);
  Count(vector);
}

void Level() {
  SetHandler(kLevelVector, LevelLine);
  RouteIoapicPin(kSerialGsi, kLevelVector, true);
  Out8(kCom2 + 1, 0x02);
  // Not halted: a KVM that emulates sleeps through what the end of an interrupt raises.
  EnableInterrupts();
  while (counts[kLevelVector] < 2) In8(kCom2 + 7);
  DisableInterrupts();
  Out8(kCom2 + 1, 0);
  Expect("level interrupt until the line falls", counts[kLevelVector], 2);
  MaskIoapicPin(kSerialGsi);
}

// No end of interrupt at the local APIC: it only passes the PICs' through.
void PicLine(uint8_t vector) {
  In8(kCom2 + 2);
  counts[vector] = counts[vector] + 1;
  Out8(0x20, 0x20);
}

void Pic() {
  constexpr uint8_t kVector = kPicVector + kSerialGsi;
  SetHandler(kVector, PicLine);
  MmioWrite<uint32_t>(kLapic + 0x350, 0x700);  // LINT0: ExtINT
  Out8(0x20, 0x11);
  Out8(0x21, kPicVector);
  Out8(0x21, 0x04);
  Out8(0x21, 0x01);
  Out8(0x21, static_cast<uint8_t>(~(1u << kSerialGsi)));
  Out8(kCom2 + 1, 0x02);
  WaitWhileEqual(&counts[kVector], 0);
  Out8(kCom2 + 1, 0);
  Expect("serial interrupt through the PIC", counts[kVector], 1);
  Out8(0x20, 0x0B);  // OCW3: read ISR
  Expect("in service after its end", In8(0x20), 0);
  Expect("mask of the PIC", In8(0x21), static_cast<uint8_t>(~(1u << kSerialGsi)));
  Out8(0x21, 0xFF);
}

// As kernels calibrate with it: the output of counter 2 rises when it is at its end.
void Speaker() {
  Out8(0x61, (In8(0x61) & ~2u) | 1);
  Out8(0x43, 0xB0);  // counter 2, mode 0
  Out8(0x42, 11932 & 0xFF);
  Out8(0x42, 11932 >> 8);  // 10 ms
  Expect("counter 2's output before its end", In8(0x61) >> 5 & 1, 0);
  while ((In8(0x61) & 0x20) == 0) {
  }
  Out8(0x43, 0xE8);  // read back the status of counter 2
  Expect("status of counter 2", In8(0x42), 0xB0);
}

void Pit() {
  SetHandler(kPitVector, Count);
  for (uint32_t pin : kPitPins) RouteIoapicPin(pin, kPitVector, false);
  Out8(0x43, 0x34);  // channel 0, rate generator
  Out8(0x40, 11932 & 0xFF);
  Out8(0x40, 11932 >> 8);  // 100 Hz
  for (uint32_t i = 0; i < 3; ++i) WaitWhileEqual(&counts[kPitVector], i);
  for (uint32_t pin : kPitPins) MaskIoapicPin(pin);
  Print("ok PIT ticks\n");
}

void LocalTimer() {
  SetHandler(kTimerVector, Count);
  MmioWrite<uint32_t>(kLapic + 0x3E0, 0x3);                      // divide by 16
  MmioWrite<uint32_t>(kLapic + 0x320, kTimerVector | 1u << 17);  // periodic
  MmioWrite<uint32_t>(kLapic + 0x380, 1000000);
  for (uint32_t i = 0; i < 3; ++i) WaitWhileEqual(&counts[kTimerVector], i);
  MmioWrite<uint32_t>(kLapic + 0x320, 1u << 16);
  Print("ok local APIC timer ticks\n");
}

void Message() {
  SetHandler(kMessageVector, Count);
  Print("send 0xfee00000 0x43\n");
  WaitWhileEqual(&counts[kMessageVector], 0);
  Print("ok message-signalled interrupt\n");
}

}  // namespace

void GuestMain() {
  EnableLapic();
  Serial();
  Level();
  Pic();
  Speaker();
  Pit();
  LocalTimer();
  if (HasWord("message")) Message();
  Print("done\n");
}
