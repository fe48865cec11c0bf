// Accesses of every width and form: ports, string instructions, MMIO, PCI configuration by both
// mechanisms.

#include "integration/guests/lib/guest.h"

namespace {

constexpr uint16_t kCom2Scratch = 0x2FF;
constexpr uint16_t kUnclaimedPort = 0x1230;
constexpr uint16_t kDebugcon = 0x402;
constexpr uint64_t kUnclaimedMmio = 0xE0000000;
constexpr uint64_t kEcam = 0xF4000000;
constexpr uint32_t kHostBridge = 0x12378086;

void Ports() {
  Out8(kCom2Scratch, 0x5A);
  Expect("port write and read back", In8(kCom2Scratch), 0x5A);
  Expect("unclaimed port, 1 byte", In8(kUnclaimedPort), 0xFF);
  Expect("unclaimed port, 2 bytes", In16(kUnclaimedPort), 0xFFFF);
  Expect("unclaimed port, 4 bytes", In32(kUnclaimedPort), 0xFFFFFFFF);
  Out8(kUnclaimedPort, 1);
  Out16(kUnclaimedPort, 1);
  Out32(kUnclaimedPort, 1);
  Out32(0xFFFC, 1);
  Expect("last ports", In32(0xFFFC), 0xFFFFFFFF);
}

void StringInstructions() {
  const char text[] = "ok string output\n";
  const char* source = text;
  uint64_t count = sizeof(text) - 1;
  asm volatile("rep outsb" : "+S"(source), "+c"(count) : "d"(uint16_t{0x3F8}) : "memory");
  Expect("string output consumed all", count, 0);

  uint8_t buffer[600];
  void* destination = buffer;
  count = sizeof(buffer);
  asm volatile("rep insb" : "+D"(destination), "+c"(count) : "d"(kUnclaimedPort) : "memory");
  uint64_t sum = 0;
  for (uint8_t byte : buffer) sum += byte;
  Expect("string input of bytes", sum, sizeof(buffer) * 0xFF);

  uint32_t words[100];
  destination = words;
  count = 100;
  asm volatile("rep insl" : "+D"(destination), "+c"(count) : "d"(kUnclaimedPort) : "memory");
  sum = 0;
  for (uint32_t word : words) sum += word;
  Expect("string input of dwords", sum, 100 * uint64_t{0xFFFFFFFF});
}

void Mmio() {
  Expect("unclaimed MMIO, 1 byte", MmioRead<uint8_t>(kUnclaimedMmio), 0xFF);
  Expect("unclaimed MMIO, 2 bytes", MmioRead<uint16_t>(kUnclaimedMmio + 2), 0xFFFF);
  Expect("unclaimed MMIO, 4 bytes", MmioRead<uint32_t>(kUnclaimedMmio + 4), 0xFFFFFFFF);
  Expect("unclaimed MMIO, 8 bytes", MmioRead<uint64_t>(kUnclaimedMmio + 8), ~uint64_t{0});
  Expect("unclaimed MMIO, unaligned", MmioRead<uint32_t>(kUnclaimedMmio + 3), 0xFFFFFFFF);
  MmioWrite<uint8_t>(kUnclaimedMmio, 1);
  MmioWrite<uint64_t>(kUnclaimedMmio, 1);
}

void PciConfiguration() {
  Out32(0xCF8, 0x80000000);
  Expect("host bridge by ports, 4 bytes", In32(0xCFC), kHostBridge);
  Expect("host bridge by ports, 2 bytes", In16(0xCFE), kHostBridge >> 16);
  Expect("host bridge by ports, 1 byte", In8(0xCFD), (kHostBridge >> 8) & 0xFF);
  Expect("address register", In32(0xCF8), 0x80000000);
  Out32(0xCF8, 0x8000F800);
  Expect("absent function by ports", In32(0xCFC), 0xFFFFFFFF);
  Expect("host bridge by ECAM, 4 bytes", MmioRead<uint32_t>(kEcam), kHostBridge);
  Expect("host bridge by ECAM, 2 bytes", MmioRead<uint16_t>(kEcam), kHostBridge & 0xFFFF);
  Expect("host bridge by ECAM, 1 byte", MmioRead<uint8_t>(kEcam + 3), kHostBridge >> 24);
  Expect("absent bus by ECAM", MmioRead<uint32_t>(kEcam + (1 << 20)), 0xFFFFFFFF);
}

void DebugPort() {
  if (!HasWord("debugcon")) {
    Expect("no debug port", In8(kDebugcon), 0xFF);
    return;
  }
  Expect("debug port's signature", In8(kDebugcon), 0xE9);
  for (const char* p = "from the debug port\n"; *p != 0; ++p)
    Out8(kDebugcon, static_cast<uint8_t>(*p));
}

}  // namespace

void GuestMain() {
  Ports();
  StringInstructions();
  Mmio();
  PciConfiguration();
  DebugPort();
  Print("done\n");
}
