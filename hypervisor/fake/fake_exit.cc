#include "hypervisor/fake/fake_exit.h"

#include <cstddef>
#include <utility>

#include "base/log.h"

namespace touchstone {
namespace {

bool IsPortSize(uint8_t size) { return size == 1 || size == 2 || size == 4; }

std::vector<uint8_t> LittleEndian(uint64_t value, uint8_t size) {
  std::vector<uint8_t> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(value >> (8 * i));
  return bytes;
}

}  // namespace

FakeExit FakeExit::Out(uint16_t port, uint8_t size, uint32_t value) {
  return OutString(port, size, LittleEndian(value, size));
}

FakeExit FakeExit::In(uint16_t port, uint8_t size) { return InString(port, size, 1); }

FakeExit FakeExit::OutString(uint16_t port, uint8_t size, absl::Span<const uint8_t> data) {
  CHECK(IsPortSize(size) && !data.empty() && data.size() % size == 0);
  return FakeExit(Access{.space = IoEvent::Space::kPort,
                         .address = port,
                         .size = size,
                         .is_write = true,
                         .data = std::vector<uint8_t>(data.begin(), data.end())});
}

FakeExit FakeExit::InString(uint16_t port, uint8_t size, uint32_t count) {
  CHECK(IsPortSize(size) && count > 0);
  return FakeExit(Access{.space = IoEvent::Space::kPort,
                         .address = port,
                         .size = size,
                         .data = std::vector<uint8_t>(size_t{size} * count)});
}

FakeExit FakeExit::MmioWrite(uint64_t address, uint8_t size, uint64_t value) {
  CHECK(size >= 1 && size <= 8);
  return FakeExit(Access{.space = IoEvent::Space::kMmio,
                         .address = address,
                         .size = size,
                         .is_write = true,
                         .data = LittleEndian(value, size)});
}

FakeExit FakeExit::MmioRead(uint64_t address, uint8_t size) {
  CHECK(size >= 1 && size <= 8);
  return FakeExit(Access{.space = IoEvent::Space::kMmio,
                         .address = address,
                         .size = size,
                         .data = std::vector<uint8_t>(size)});
}

FakeExit FakeExit::Other(VcpuExit exit) { return FakeExit(std::move(exit)); }

}  // namespace touchstone
