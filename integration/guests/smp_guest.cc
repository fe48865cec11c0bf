// Starts the other processors. Each adds itself up; the boot processor waits for as many as the
// command line's "cpus=N" says.

#include "integration/guests/lib/guest.h"

namespace {

uint32_t arrived;
uint32_t ids[256];

void Arrive(uint32_t ticket) {
  uint32_t eax = 1, ebx, ecx = 0, edx;
  asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
  ids[ticket] = ebx >> 24;
  __atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
}

uint32_t WantedProcessors() {
  for (const char* p = CommandLine(); *p != 0; ++p) {
    if (p[0] == 'c' && p[1] == 'p' && p[2] == 'u' && p[3] == 's' && p[4] == '=') {
      uint32_t number = 0;
      for (p += 5; *p >= '0' && *p <= '9'; ++p)
        number = number * 10 + static_cast<uint32_t>(*p - '0');
      return number;
    }
  }
  return 1;
}

}  // namespace

void GuestMain() {
  const uint32_t others = WantedProcessors() - 1;
  EnableLapic();
  StartProcessors(Arrive);
  while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < others) asm volatile("pause");
  // One more than there should be would show up soon after.
  for (int i = 0; i < 1000; ++i) Out8(0x80, 0);
  Expect("processors started", __atomic_load_n(&arrived, __ATOMIC_SEQ_CST), others);
  uint64_t seen = 1;  // the boot processor's id is 0
  for (uint32_t i = 0; i < others; ++i) seen |= uint64_t{1} << (ids[i] & 63);
  uint32_t distinct = 0;
  for (; seen != 0; seen &= seen - 1) ++distinct;
  Expect("distinct APIC ids", distinct, others + 1);
  Print("done\n");
}
