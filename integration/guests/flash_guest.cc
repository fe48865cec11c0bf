// The flash chip of --pflash, as a firmware's driver uses it. 64 KiB that end at 4 GiB, in blocks
// of 4 KiB; the first bytes are "flash".

#include "integration/guests/lib/guest.h"

namespace {

constexpr uint64_t kFlash = 0x100000000 - 0x10000;
constexpr uint64_t kBlock = kFlash + 0x3000;

void Write(uint64_t address, uint8_t byte) { MmioWrite<uint8_t>(address, byte); }
uint8_t Read(uint64_t address) { return MmioRead<uint8_t>(address); }

void Program(uint64_t address, uint8_t byte) {
  Write(address, 0x10);
  Write(address, byte);
  while ((Read(address) & 0x80) == 0) {
  }
  Write(address, 0xFF);
}

}  // namespace

void GuestMain() {
  Expect("contents", MmioRead<uint32_t>(kFlash), 0x73616C66);

  // How OVMF tells flash from RAM and ROM.
  Write(kFlash, 0x50);
  Expect("no RAM", Read(kFlash), 'f');
  Write(kFlash, 0x70);
  Expect("no ROM", Read(kFlash), 0);
  Write(kFlash, 0xFF);

  Write(kBlock, 0x20);
  Write(kBlock, 0xD0);
  Expect("erased without error", Read(kBlock), 0x80);
  Write(kBlock, 0xFF);
  Expect("all ones", MmioRead<uint64_t>(kBlock + 0xFF8), ~uint64_t{0});
  Expect("block before", Read(kBlock - 1), 0);
  Expect("block behind", Read(kBlock + 0x1000), 0);

  const char* const text = "kept";
  for (int i = 0; text[i] != 0; ++i) Program(kBlock + 0x10 + i, text[i]);
  Expect("programmed", MmioRead<uint32_t>(kBlock + 0x10), 0x7470656B);
  Print("done\n");
  PowerOff();
}
