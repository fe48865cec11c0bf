// Something for a debugger to look at: the boot processor writes 1, 2 and 3 to a variable while the
// others spin; with "int3" a breakpoint of the guest's own comes after each.

#include "integration/guests/lib/guest.h"

extern "C" {

volatile uint64_t watched;
volatile uint32_t released;
uint32_t arrived;
volatile uint32_t own_breakpoints;

[[gnu::noinline]] void Visit(uint64_t value) {
  watched = value;
  asm volatile("" ::: "memory");
}

[[gnu::noinline]] void Spin(uint32_t /*ticket*/) {
  __atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
  while (released == 0) asm volatile("pause");
}
}

namespace {

constexpr uint8_t kBreakpointVector = 3;

void OnOwnBreakpoint(uint8_t /*vector*/) { own_breakpoints = own_breakpoints + 1; }

uint32_t OtherProcessors() { return HasWord("cpus=4") ? 3 : 0; }

}  // namespace

void GuestMain() {
  Print("ready\n");
  EnableLapic();
  SetHandler(kBreakpointVector, OnOwnBreakpoint);
  if (OtherProcessors() != 0) StartProcessors(Spin);
  while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < OtherProcessors()) asm volatile("pause");
  const bool own = HasWord("int3");
  for (uint64_t i = 1; i <= 3; ++i) {
    Visit(i);
    if (own) asm volatile("int3");
  }
  released = 1;
  Expect("own breakpoints", own_breakpoints, own ? 3 : 0);
  Expect("watched", watched, 3);
  Print("done\n");
  // Until it is looked at, or for ever.
  while (HasWord("wait") && released != 2) asm volatile("pause");
  PowerOff();
}
