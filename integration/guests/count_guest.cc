// Counts, for who stops it in between and has it go on elsewhere: numbered lines on the console, a
// tick of the local APIC's timer each. What a processor and its surroundings must have kept is
// looked at in the end. The command line's "cpus=N" says how many processors count beside.

#include "integration/guests/lib/guest.h"

namespace {

constexpr uint8_t kTimerVector = 0x42;
constexpr uint32_t kLines = 60;
constexpr uint32_t kKernelGsBase = 0xC0000102;
constexpr uint64_t kGsBase = 0xFFFF888012345678;
constexpr uint64_t kBreakpoint = 0x123450;
constexpr uint8_t kScratch = 0xA5;
constexpr uint16_t kCom2 = 0x2F8;

volatile uint32_t ticks;
volatile uint64_t counted[8];

void Tick(uint8_t) {
  ticks = ticks + 1;
  EndOfInterrupt();
}

void CountBeside(uint32_t ticket) {
  for (uint64_t count = 0;; ++count) {
    if (counted[ticket & 7] != count) HaltForever();  // Whose counter is it then?
    counted[ticket & 7] = count + 1;
    asm volatile("pause");
  }
}

uint64_t ReadDr0() {
  uint64_t value;
  asm volatile("mov %%dr0, %0" : "=r"(value));
  return value;
}

uint32_t Others() {
  if (HasWord("cpus=2")) return 1;
  return HasWord("cpus=4") ? 3 : 0;
}

}  // namespace

void GuestMain() {
  const uint32_t others = Others();
  EnableLapic();
  if (others != 0) StartProcessors(CountBeside);
  WriteMsr(kKernelGsBase, kGsBase);
  asm volatile("mov %0, %%dr0" ::"r"(kBreakpoint));
  Out8(kCom2 + 7, kScratch);
  Out8(0x70, 0x40);  // A byte of the real-time clock's memory.
  Out8(0x71, kScratch);
  SetHandler(kTimerVector, Tick);
  MmioWrite<uint32_t>(kLapic + 0x3E0, 0x3);                      // divide by 16
  MmioWrite<uint32_t>(kLapic + 0x320, kTimerVector | 1u << 17);  // periodic
  MmioWrite<uint32_t>(kLapic + 0x380, 1000000);

  uint32_t backwards = 0;
  uint64_t before = ReadTsc();
  for (uint32_t line = 0; line < kLines; ++line) {
    WaitWhileEqual(&ticks, ticks);
    Print("line ");
    PrintDecimal(line);
    Print("\n");
    const uint64_t now = ReadTsc();
    if (now < before) ++backwards;
    before = now;
  }

  Expect("times that the time stamp counter went back", backwards, 0);
  Expect("kernel GS base", ReadMsr(kKernelGsBase), kGsBase);
  Expect("debug register", ReadDr0(), kBreakpoint);
  Expect("scratch register", In8(kCom2 + 7), kScratch);
  Out8(0x70, 0x40);
  Expect("byte of the clock's memory", In8(0x71), kScratch);
  for (uint32_t i = 0; i < others; ++i) {
    const uint64_t count = counted[i];
    for (int patience = 0; patience < 1000000 && counted[i] == count; ++patience) {
      asm volatile("pause");
    }
    Expect("processor beside counts on", counted[i] > count && count > 0, 1);
  }
  Print("done\n");
  PowerOff();
}
