// What the bus adds to an exit: finding the device of a port or an address, among `range` devices.

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/log.h"
#include "benchmark/benchmark.h"
#include "devices/bus/bus.h"

namespace touchstone {
namespace {

class NullDevice final : public BusDevice {
 public:
  void Read(uint64_t, absl::Span<uint8_t> data) override { std::fill(data.begin(), data.end(), 0); }
  void Write(uint64_t, absl::Span<const uint8_t>) override {}
};

// `count` devices of `size`, evenly spread from `start`.
void Fill(Bus& bus, BusDevice& device, uint64_t start, uint64_t size, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t at = start + static_cast<uint64_t>(i) * 2 * size;
    CHECK(bus.Insert({at, size}, "device", &device).ok());
  }
}

void BM_PortWrite(benchmark::State& state) {
  Bus bus("ports", Bus::kLastPort);
  NullDevice device;
  Fill(bus, device, 0x60, 8, state.range(0));
  const uint8_t byte = 0;
  for (auto _ : state) benchmark::DoNotOptimize(bus.Write(0x60, absl::MakeSpan(&byte, 1)));
}
BENCHMARK(BM_PortWrite)->Arg(1)->Arg(16)->Arg(64);

void BM_MmioRead(benchmark::State& state) {
  Bus bus("mmio", Bus::kLastMmioAddress);
  NullDevice device;
  Fill(bus, device, 0xD0000000, 0x8000, state.range(0));
  uint8_t data[4];
  for (auto _ : state) benchmark::DoNotOptimize(bus.Read(0xD0001000, absl::MakeSpan(data)));
}
BENCHMARK(BM_MmioRead)->Arg(1)->Arg(16)->Arg(64);

// One device after the other, so that most finds miss what the thread remembers.
void BM_MmioReadRoundRobin(benchmark::State& state) {
  Bus bus("mmio", Bus::kLastMmioAddress);
  NullDevice device;
  Fill(bus, device, 0xD0000000, 0x8000, state.range(0));
  uint8_t data[4];
  uint64_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(bus.Read(0xD0000000 + i * 0x10000, absl::MakeSpan(data)));
    i = i + 1 == static_cast<uint64_t>(state.range(0)) ? 0 : i + 1;
  }
}
BENCHMARK(BM_MmioReadRoundRobin)->Arg(1)->Arg(16)->Arg(64);

void BM_UnclaimedPortRead(benchmark::State& state) {
  Bus bus("ports", Bus::kLastPort);
  NullDevice device;
  Fill(bus, device, 0x60, 8, state.range(0));
  uint8_t data[4];
  for (auto _ : state) benchmark::DoNotOptimize(bus.Read(0x68, absl::MakeSpan(data)));
}
BENCHMARK(BM_UnclaimedPortRead)->Arg(1)->Arg(64);

// A guest that moves a BAR: the move and the first access behind it.
void BM_MoveAndRead(benchmark::State& state) {
  Bus bus("mmio", Bus::kLastMmioAddress);
  NullDevice device;
  Fill(bus, device, 0xD0000000, 0x8000, state.range(0));
  uint8_t data[4];
  uint64_t from = 0xD0000000;
  uint64_t to = 0xE0000000;
  for (auto _ : state) {
    CHECK(bus.Move(from, to).ok());
    benchmark::DoNotOptimize(bus.Read(to, absl::MakeSpan(data)));
    std::swap(from, to);
  }
}
BENCHMARK(BM_MoveAndRead)->Arg(1)->Arg(64);

}  // namespace
}  // namespace touchstone
