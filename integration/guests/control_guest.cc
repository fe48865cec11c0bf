// Says what the control socket makes of the machine, for ever: a dot now and then, buttons and
// general-purpose events as they come. With "standby" it sleeps first (ACPI S1).

#include "integration/guests/lib/guest.h"

namespace {

// ACPI 6.4, 4.8.3 and 4.8.4; where Touchstone has them.
constexpr uint16_t kPm1Status = 0x600;
constexpr uint16_t kPm1Control = 0x604;
constexpr uint16_t kGpe0Status = 0x620;
constexpr uint16_t kGpeDwords = 8;
constexpr uint16_t kPowerButton = 1 << 8;
constexpr uint16_t kSleepButton = 1 << 9;
constexpr uint16_t kWake = 1 << 15;
constexpr uint32_t kTurnsPerDot = 16;

void Standby() {
  Print("standby\n");
  Out16(kPm1Control, 1u << 10 | 1u << 13);
  while ((In16(kPm1Status) & kWake) == 0) asm volatile("pause");
  Out16(kPm1Status, kWake);
  Print("awake\n");
}

void SayButtons() {
  const uint16_t status = In16(kPm1Status);
  if ((status & kPowerButton) != 0) Print("power button\n");
  if ((status & kSleepButton) != 0) Print("sleep button\n");
  Out16(kPm1Status, status & (kPowerButton | kSleepButton));
}

void SayEvents() {
  for (uint16_t i = 0; i < kGpeDwords; ++i) {
    const uint16_t port = static_cast<uint16_t>(kGpe0Status + 4 * i);
    const uint32_t events = In32(port);
    for (uint32_t bit = 0; bit < 32; ++bit) {
      if ((events >> bit & 1) == 0) continue;
      Print("gpe ");
      PrintDecimal(32 * i + bit);
      Print("\n");
    }
    if (events != 0) Out32(port, events);
  }
}

}  // namespace

void GuestMain() {
  Print("ready\n");
  if (HasWord("standby")) Standby();
  uint64_t last = ReadTsc();
  for (uint32_t turn = 0;; ++turn) {
    const uint64_t now = ReadTsc();
    if (now < last) Print("FAIL the clock went back\n");
    last = now;
    SayButtons();
    SayEvents();
    if (turn % kTurnsPerDot == 0) Print(".");
  }
}
