// Counts for ever, a number a line, and looks whether its memory is as it was left. With "big" it
// has more memory to leave.

#include "integration/guests/lib/guest.h"

namespace {

constexpr uint64_t kPageSize = 4096;
constexpr uint64_t kFirst = 16 << 20;

// Every third page: there are holes between them.
volatile uint64_t* WordOf(uint64_t page) {
  return reinterpret_cast<volatile uint64_t*>(kFirst + 3 * page * kPageSize + (page % 512) * 8);
}

uint64_t ValueOf(uint64_t page, uint64_t turn) { return page * 0x9E3779B97F4A7C15 + turn; }

}  // namespace

void GuestMain() {
  const uint64_t pages = HasWord("big") ? 3000 : 100;
  for (uint64_t page = 0; page < pages; ++page) *WordOf(page) = ValueOf(page, 0);
  Print("ready\n");
  uint64_t last = ReadTsc();
  // Each turn writes a page anew after a look at it.
  for (uint64_t turn = 0;; ++turn) {
    const uint64_t page = turn % pages;
    const uint64_t before = turn < pages ? 0 : turn - pages + 1;
    if (*WordOf(page) != ValueOf(page, before)) Print("FAIL a page is not as it was\n");
    *WordOf(page) = ValueOf(page, turn + 1);
    const uint64_t now = ReadTsc();
    if (now < last) Print("FAIL the clock went back\n");
    last = now;
    PrintDecimal(turn);
    Print("\n");
  }
}
