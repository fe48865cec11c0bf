// Ends as the command line says: off, cf9, i8042, fault, halt, wild (a jump to where no memory is),
// echo (sends COM1 back what it gets, until that is a q: powers off).

#include "integration/guests/lib/guest.h"

// 16550, by polling.
static void EchoUntilQ() {
  constexpr uint16_t kCom1 = 0x3F8;
  for (;;) {
    while ((In8(kCom1 + 5) & 1) == 0) {
    }
    const char text[] = {static_cast<char>(In8(kCom1)), 0};
    Print(text);
    if (text[0] == 'q') PowerOff();
  }
}

void GuestMain() {
  Print("ready\n");
  if (HasWord("off")) PowerOff();
  if (HasWord("cf9")) ResetByCf9();
  if (HasWord("i8042")) ResetByKeyboardController();
  if (HasWord("fault")) TripleFault();
  if (HasWord("halt")) HaltForever();
  if (HasWord("echo")) EchoUntilQ();
  if (HasWord("wild")) {
    asm volatile("jmp *%0" ::"r"(uint64_t{0xE0000000}));
  }
  Print("FAIL no word says how to end\n");
}
