// Ends as the command line says: off, cf9, i8042, fault, halt, wild (a jump to where no memory is).

#include "integration/guests/lib/guest.h"

void GuestMain() {
  Print("ready\n");
  if (HasWord("off")) PowerOff();
  if (HasWord("cf9")) ResetByCf9();
  if (HasWord("i8042")) ResetByKeyboardController();
  if (HasWord("fault")) TripleFault();
  if (HasWord("halt")) HaltForever();
  if (HasWord("wild")) {
    asm volatile("jmp *%0" ::"r"(uint64_t{0xE0000000}));
  }
  Print("FAIL no word says how to end\n");
}
