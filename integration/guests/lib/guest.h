// Library of the bare-metal guests: ports, MMIO, the console, interrupts, timers, other processors,
// and how to end.
//
// A guest defines GuestMain(). It runs on the boot processor in long mode with 4 GiB identity
// mapped and interrupts off. Output goes to COM1 by polling. By convention a guest prints "ok NAME"
// or "FAIL NAME ..." a line for each check and at last "done".
//
// Runs under Touchstone, and under QEMU (microvm, pc, q35) by the PVH note.

#ifndef TOUCHSTONE_INTEGRATION_GUESTS_LIB_GUEST_H_
#define TOUCHSTONE_INTEGRATION_GUESTS_LIB_GUEST_H_

using uint8_t = unsigned char;
using uint16_t = unsigned short;
using uint32_t = unsigned int;
using uint64_t = unsigned long;

// The guest's own code.
void GuestMain();

// Ports.
inline void Out8(uint16_t port, uint8_t value) {
  asm volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}
inline void Out16(uint16_t port, uint16_t value) {
  asm volatile("outw %0, %1" ::"a"(value), "Nd"(port));
}
inline void Out32(uint16_t port, uint32_t value) {
  asm volatile("outl %0, %1" ::"a"(value), "Nd"(port));
}
inline uint8_t In8(uint16_t port) {
  uint8_t value;
  asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
inline uint16_t In16(uint16_t port) {
  uint16_t value;
  asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
inline uint32_t In32(uint16_t port) {
  uint32_t value;
  asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

// Memory-mapped registers.
template <typename T>
inline T MmioRead(uint64_t address) {
  return *reinterpret_cast<volatile T*>(address);
}
template <typename T>
inline void MmioWrite(uint64_t address, T value) {
  *reinterpret_cast<volatile T*>(address) = value;
}

inline uint64_t ReadMsr(uint32_t index) {
  uint32_t low, high;
  asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
  return uint64_t{high} << 32 | low;
}
inline void WriteMsr(uint32_t index, uint64_t value) {
  asm volatile("wrmsr" ::"c"(index), "a"(static_cast<uint32_t>(value)),
               "d"(static_cast<uint32_t>(value >> 32)));
}
inline uint64_t ReadTsc() {
  uint32_t low, high;
  asm volatile("rdtsc" : "=a"(low), "=d"(high));
  return uint64_t{high} << 32 | low;
}

// Console.
void Print(const char* text);
void PrintHex(uint64_t value);
void PrintDecimal(uint64_t value);
// Prints "ok NAME", or "FAIL NAME: got ..., expected ...".
void Expect(const char* name, uint64_t got, uint64_t expected);

// The kernel command line (Linux boot protocol only; "" under PVH), and whether it has this word.
const char* CommandLine();
bool HasWord(const char* word);

// Interrupts. A handler runs with interrupts off and ends the interrupt at the local APIC by itself
// (EndOfInterrupt).
using Handler = void (*)(uint8_t vector);
void SetHandler(uint8_t vector, Handler handler);
inline void EnableInterrupts() { asm volatile("sti" ::: "memory"); }
inline void DisableInterrupts() { asm volatile("cli" ::: "memory"); }
// Halts until `*counter` is no longer `old`, with interrupts on while waiting.
void WaitWhileEqual(const volatile uint32_t* counter, uint32_t old);

// Local APIC (SDM vol. 3, chapter 11) and IOAPIC (82093AA datasheet), at their usual addresses.
inline constexpr uint64_t kLapic = 0xFEE00000;
inline constexpr uint64_t kIoapic = 0xFEC00000;
void EnableLapic();
inline void EndOfInterrupt() { MmioWrite<uint32_t>(kLapic + 0xB0, 0); }
// Routes an IOAPIC pin to a vector on the boot processor, unmasked.
void RouteIoapicPin(uint32_t pin, uint8_t vector, bool level);
void MaskIoapicPin(uint32_t pin);

// Starts all other processors; each calls `entry` with its ticket from 0, and halts after it.
// Returns at once.
void StartProcessors(void (*entry)(uint32_t ticket));

// Ends. PowerOff writes S5 to the PM1a control register.
[[noreturn]] void PowerOff();
[[noreturn]] void ResetByCf9();
[[noreturn]] void ResetByKeyboardController();
[[noreturn]] void TripleFault();
[[noreturn]] void HaltForever();

#endif  // TOUCHSTONE_INTEGRATION_GUESTS_LIB_GUEST_H_
