#include "integration/guests/lib/guest.h"

extern "C" {
extern const char ap_trampoline_begin[], ap_trampoline_end[], ap_trampoline_cr3[];
extern const char interrupt_stubs[];
void GuestEntry(const uint8_t* boot_params);
void GuestApEntry(uint32_t ticket);
void GuestInterrupt(uint64_t vector, uint64_t error_code, uint64_t rip);

// What the compiler may call by itself.
void* memset(void* destination, int value, unsigned long size) {
  auto* bytes = static_cast<volatile uint8_t*>(destination);
  for (unsigned long i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(value);
  return destination;
}
void* memcpy(void* destination, const void* source, unsigned long size) {
  auto* to = static_cast<volatile uint8_t*>(destination);
  const auto* from = static_cast<const uint8_t*>(source);
  for (unsigned long i = 0; i < size; ++i) to[i] = from[i];
  return destination;
}
}

namespace {

constexpr uint16_t kCom1 = 0x3F8;
constexpr uint16_t kPm1aControl = 0x604;
constexpr uint64_t kTrampolinePage = 0x8000;
constexpr uint32_t kCommandLinePointerOffset = 0x228;  // boot_params.hdr.cmd_line_ptr

// SDM vol. 3, 6.14.1: a 64-bit interrupt gate.
struct Gate {
  uint16_t offset_low;
  uint16_t selector;
  uint8_t stack_table;
  uint8_t type;
  uint16_t offset_middle;
  uint32_t offset_high;
  uint32_t reserved;
};
static_assert(sizeof(Gate) == 16);

Gate idt[256];
Handler handlers[256];
const char* command_line = "";
void (*ap_entry)(uint32_t);

void LoadIdt() {
  struct __attribute__((packed)) {
    uint16_t limit;
    uint64_t base;
  } pointer = {sizeof(idt) - 1, reinterpret_cast<uint64_t>(idt)};
  asm volatile("lidt %0" ::"m"(pointer));
}

void SetGates() {
  for (uint32_t vector = 0; vector < 256; ++vector) {
    const uint64_t stub = reinterpret_cast<uint64_t>(interrupt_stubs) + 16 * vector;
    idt[vector] = {static_cast<uint16_t>(stub),       8, 0, 0x8E, static_cast<uint16_t>(stub >> 16),
                   static_cast<uint32_t>(stub >> 32), 0};
  }
}

void Put(char c) {
  while ((In8(kCom1 + 5) & 0x20) == 0) {
  }
  Out8(kCom1, static_cast<uint8_t>(c));
}

void WaitMicroseconds(uint32_t microseconds) {
  // Port 0x80 takes about a microsecond on hardware; under a hypervisor it takes longer, which does
  // no harm here.
  for (uint32_t i = 0; i < microseconds; ++i) Out8(0x80, 0);
}

}  // namespace

void Print(const char* text) {
  for (; *text != 0; ++text) Put(*text);
}

void PrintHex(uint64_t value) {
  Print("0x");
  int shift = 60;
  while (shift > 0 && (value >> shift) == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) Put("0123456789abcdef"[(value >> shift) & 15]);
}

void PrintDecimal(uint64_t value) {
  if (value >= 10) PrintDecimal(value / 10);
  Put(static_cast<char>('0' + value % 10));
}

void Expect(const char* name, uint64_t got, uint64_t expected) {
  if (got == expected) {
    Print("ok ");
    Print(name);
    Print("\n");
    return;
  }
  Print("FAIL ");
  Print(name);
  Print(": got ");
  PrintHex(got);
  Print(", expected ");
  PrintHex(expected);
  Print("\n");
}

const char* CommandLine() { return command_line; }

bool HasWord(const char* word) {
  const char* position = command_line;
  while (*position != 0) {
    while (*position == ' ') ++position;
    const char* expected = word;
    while (*expected != 0 && *position == *expected) {
      ++position;
      ++expected;
    }
    if (*expected == 0 && (*position == 0 || *position == ' ')) return true;
    while (*position != 0 && *position != ' ') ++position;
  }
  return false;
}

void SetHandler(uint8_t vector, Handler handler) { handlers[vector] = handler; }

void WaitWhileEqual(const volatile uint32_t* counter, uint32_t old) {
  for (;;) {
    DisableInterrupts();
    if (*counter != old) return;
    asm volatile("sti; hlt" ::: "memory");  // no interrupt is taken between the two
  }
}

void EnableLapic() {
  // Mask both PICs: everything comes through the IOAPIC.
  Out8(0x21, 0xFF);
  Out8(0xA1, 0xFF);
  MmioWrite<uint32_t>(kLapic + 0xF0, 0x1FF);  // spurious vector 0xFF, enabled
  MmioWrite<uint32_t>(kLapic + 0x80, 0);      // task priority: take all
}

void RouteIoapicPin(uint32_t pin, uint8_t vector, bool level) {
  const uint32_t low = vector | (level ? 1u << 15 : 0u);
  MmioWrite<uint32_t>(kIoapic, 0x10 + 2 * pin + 1);
  MmioWrite<uint32_t>(kIoapic + 0x10, 0);  // to the processor with APIC id 0
  MmioWrite<uint32_t>(kIoapic, 0x10 + 2 * pin);
  MmioWrite<uint32_t>(kIoapic + 0x10, low);
}

void MaskIoapicPin(uint32_t pin) {
  MmioWrite<uint32_t>(kIoapic, 0x10 + 2 * pin);
  MmioWrite<uint32_t>(kIoapic + 0x10, 1u << 16);
}

void StartProcessors(void (*entry)(uint32_t)) {
  ap_entry = entry;
  const unsigned long size = ap_trampoline_end - ap_trampoline_begin;
  memcpy(reinterpret_cast<void*>(kTrampolinePage), ap_trampoline_begin, size);
  uint64_t cr3;
  asm volatile("mov %%cr3, %0" : "=r"(cr3));
  MmioWrite<uint32_t>(kTrampolinePage + (ap_trampoline_cr3 - ap_trampoline_begin),
                      static_cast<uint32_t>(cr3));
  // SDM vol. 3, 9.4.4.1: INIT, then two SIPIs, to all but this one.
  MmioWrite<uint32_t>(kLapic + 0x300, 0xC4500);
  WaitMicroseconds(200);
  for (int i = 0; i < 2; ++i) {
    MmioWrite<uint32_t>(kLapic + 0x300, 0xC4600 | (kTrampolinePage >> 12));
    WaitMicroseconds(20);
  }
}

void PowerOff() {
  Out16(kPm1aControl, 5u << 10 | 1u << 13);  // SLP_TYP of S5, SLP_EN (ACPI 6.4, 4.8.3.2.1)
  HaltForever();
}

void ResetByCf9() {
  Out8(0xCF9, 0x06);
  HaltForever();
}

void ResetByKeyboardController() {
  Out8(0x64, 0xFE);
  HaltForever();
}

void TripleFault() {
  struct __attribute__((packed)) {
    uint16_t limit;
    uint64_t base;
  } nothing = {0, 0};
  asm volatile("lidt %0; int3" ::"m"(nothing));
  HaltForever();
}

void HaltForever() {
  for (;;) asm volatile("cli; hlt");
}

void GuestEntry(const uint8_t* boot_params) {
  if (boot_params != nullptr) {
    const uint32_t pointer =
        MmioRead<uint32_t>(reinterpret_cast<uint64_t>(boot_params) + kCommandLinePointerOffset);
    if (pointer != 0) command_line = reinterpret_cast<const char*>(static_cast<uint64_t>(pointer));
  }
  SetGates();
  LoadIdt();
  GuestMain();
  PowerOff();
}

void GuestApEntry(uint32_t ticket) {
  LoadIdt();
  ap_entry(ticket);
}

void GuestInterrupt(uint64_t vector, uint64_t error_code, uint64_t rip) {
  if (handlers[vector] != nullptr) {
    handlers[vector](static_cast<uint8_t>(vector));
    return;
  }
  Print("FAIL unexpected interrupt ");
  PrintDecimal(vector);
  Print(" error ");
  PrintHex(error_code);
  Print(" at ");
  PrintHex(rip);
  Print("\n");
  PowerOff();
}
