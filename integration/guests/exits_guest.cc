// Accesses of every width and form: ports, string instructions, MMIO, PCI configuration by both
// mechanisms.

#include "integration/guests/lib/guest.h"

namespace {

constexpr uint16_t kCom2Scratch = 0x2FF;
constexpr uint16_t kUnclaimedPort = 0x1230;
constexpr uint16_t kDebugcon = 0x402;
constexpr uint64_t kUnclaimedMmio = 0xE0000000;
constexpr uint64_t kEcam = 0xF4000000;
constexpr uint64_t kEcamEnd = kEcam + (64 << 20);
constexpr uint32_t kHostBridge = 0x12378086;
constexpr uint32_t kEntropyDevice = 0x10441AF4;

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

// Bytes, or dwords at any address, one after the other.
void CopyBytes(uint64_t to, uint64_t from, uint64_t count) {
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}
void CopyBytesDown(uint64_t to, uint64_t from, uint64_t count) {
  asm volatile("std; rep movsb; cld" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}
void CopyDwords(uint64_t to, uint64_t from, uint64_t count) {
  asm volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}
void FillBytes(uint64_t to, uint8_t value, uint64_t count) {
  asm volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(value) : "memory");
}

uint64_t Sum(const uint8_t (&bytes)[64]) {
  uint64_t sum = 0;
  for (const uint8_t byte : bytes) sum += byte;
  return sum;
}

// KE-07: string instructions that run over either end of a window. Nobody is at the last functions
// of ECAM, nor behind it, nor at the end of the address space below 4 GiB.
void StringInstructionsOverMemory() {
  uint8_t buffer[64] = {};
  const auto to = reinterpret_cast<uint64_t>(buffer);
  CopyBytes(to, kEcamEnd - 32, 64);
  Expect("bytes over the end of ECAM", Sum(buffer), 64 * 0xFF);
  FillBytes(to, 0, 64);
  CopyDwords(to, kEcamEnd - 30, 16);
  Expect("dwords over the end of ECAM", Sum(buffer), 64 * 0xFF);
  FillBytes(to, 0, 64);
  CopyBytesDown(to + 63, kEcam + 3, 64);
  Expect("bytes down over the start of ECAM", Sum(buffer), 60 * 0xFF + 0x12 + 0x37 + 0x80 + 0x86);
  FillBytes(to, 0, 64);
  CopyBytes(to, 0xFFFFFFC0, 64);
  Expect("bytes up to 4 GiB", Sum(buffer), 64 * 0xFF);
  FillBytes(kEcamEnd - 32, 0xA5, 64);
  CopyBytes(kEcamEnd - 32, kEcam, 64);
  Expect("host bridge after all of it", MmioRead<uint32_t>(kEcam), kHostBridge);

  // A device's own window.
  constexpr uint64_t kFunction = kEcam + (1 << 15);
  constexpr uint64_t kWindow = 0x8000;
  Expect("entropy device", MmioRead<uint32_t>(kFunction), kEntropyDevice);
  MmioWrite<uint16_t>(kFunction + 4, 2);
  const uint64_t bar = MmioRead<uint32_t>(kFunction + 0x10) & ~0xFul;
  for (uint64_t count = 1; count <= 64; count = count * 2 + 1) {
    CopyBytes(to, bar + kWindow - count / 2, count);
    CopyBytesDown(to + count - 1, bar + count / 2, count);
    CopyDwords(to, bar + kWindow - count / 2, count / 4);
    FillBytes(bar + kWindow - count / 2, 0xFF, count / 2);
    CopyBytes(bar + kWindow - count, bar, count);
    CopyBytesDown(bar + count, bar + kWindow - 1, count);
  }
  MmioWrite<uint8_t>(bar + 0x14, 0);
  Expect("queues of the entropy device", MmioRead<uint16_t>(bar + 0x12), 1);
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
  StringInstructionsOverMemory();
  DebugPort();
  Print("done\n");
}
