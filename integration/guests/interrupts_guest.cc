// Interrupts: a device's line through the IOAPIC, the PIT, the local APIC's timer, and a message
// that the host sends when asked.

#include "integration/guests/lib/guest.h"

namespace {

constexpr uint8_t kSerialVector = 0x40;
constexpr uint8_t kPitVector = 0x41;
constexpr uint8_t kTimerVector = 0x42;
constexpr uint8_t kMessageVector = 0x43;
constexpr uint32_t kSerialGsi = 3;  // COM2
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
  Pit();
  LocalTimer();
  if (HasWord("message")) Message();
  Print("done\n");
}
