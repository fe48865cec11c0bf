// Copies to and from guest memory: objects as rings and headers have them, and buffers. Arguments
// are the bytes of a copy (where it is a buffer), the regions, and whether dirty pages are tracked.

#include <atomic>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/types/span.h"
#include "base/memory/guest_memory.h"
#include "benchmark/benchmark.h"

namespace touchstone {
namespace {

constexpr uint64_t kRegionSize = 1 << 20;

// Regions of kRegionSize with gaps of that size between them. Every page of the last one, which the
// benchmarks use, is touched.
GuestMemory MakeMemory(int64_t regions, bool track_dirty) {
  std::vector<GuestMemory::RegionSpec> specs;
  for (int64_t i = 0; i < regions; ++i) {
    specs.push_back({GuestAddress{static_cast<uint64_t>(i) * 2 * kRegionSize}, kRegionSize});
  }
  GuestMemory memory = GuestMemory::Create(specs, {.track_dirty = track_dirty}).value();
  memory.Fill(specs.back().start, kRegionSize, 1).IgnoreError();
  return memory;
}

// The first byte of the last region: the longest search.
GuestAddress LastRegion(const GuestMemory& memory) { return memory.regions().back().start; }

template <typename T>
void BM_ReadObject(benchmark::State& state) {
  const GuestMemory memory = MakeMemory(state.range(0), state.range(1) != 0);
  const GuestAddress start = LastRegion(memory);
  uint64_t offset = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(memory.ReadObject<T>(start + offset));
    offset = (offset + 64) % kRegionSize;
  }
}

template <typename T>
void BM_WriteObject(benchmark::State& state) {
  const GuestMemory memory = MakeMemory(state.range(0), state.range(1) != 0);
  const GuestAddress start = LastRegion(memory);
  uint64_t offset = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(memory.WriteObject<T>(start + offset, T{7}));
    offset = (offset + 64) % kRegionSize;
  }
}

#define TOUCHSTONE_OBJECT_BENCHMARK(type)  \
  BENCHMARK_TEMPLATE(BM_ReadObject, type)  \
      ->ArgNames({"regions", "dirty"})     \
      ->Args({1, 0})                       \
      ->Args({8, 0});                      \
  BENCHMARK_TEMPLATE(BM_WriteObject, type) \
      ->ArgNames({"regions", "dirty"})     \
      ->ArgsProduct({{1, 8}, {0, 1}})
TOUCHSTONE_OBJECT_BENCHMARK(uint8_t);
TOUCHSTONE_OBJECT_BENCHMARK(uint16_t);
TOUCHSTONE_OBJECT_BENCHMARK(uint32_t);
TOUCHSTONE_OBJECT_BENCHMARK(uint64_t);

void BM_Read(benchmark::State& state) {
  const GuestMemory memory = MakeMemory(state.range(1), /*track_dirty=*/false);
  const GuestAddress start = LastRegion(memory);
  std::vector<uint8_t> buffer(static_cast<size_t>(state.range(0)));
  uint64_t offset = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(memory.Read(start + offset, absl::MakeSpan(buffer)));
    benchmark::ClobberMemory();
    offset = (offset + buffer.size()) % kRegionSize;
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(BM_Read)->ArgNames({"bytes", "regions"})->ArgsProduct({{64, 4096, 65536}, {1, 8}});

void BM_Write(benchmark::State& state) {
  const GuestMemory memory = MakeMemory(state.range(1), state.range(2) != 0);
  const GuestAddress start = LastRegion(memory);
  const std::vector<uint8_t> buffer(static_cast<size_t>(state.range(0)), 3);
  uint64_t offset = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(memory.Write(start + offset, buffer));
    offset = (offset + buffer.size()) % kRegionSize;
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(BM_Write)
    ->ArgNames({"bytes", "regions", "dirty"})
    ->ArgsProduct({{64, 4096, 65536}, {1, 8}, {0, 1}});

// The ring index of a queue: found once, then one load or store.
void BM_AtomicStore(benchmark::State& state) {
  const GuestMemory memory = MakeMemory(/*regions=*/8, state.range(0) != 0);
  const auto index = GuestAtomic<uint16_t>::Create(memory, LastRegion(memory)).value();
  uint16_t value = 0;
  for (auto _ : state) index.Store(++value, std::memory_order_release);  // as queues publish
}
BENCHMARK(BM_AtomicStore)->ArgName("dirty")->Arg(0)->Arg(1);

// What every one of the above is compared with.
void BM_PlainCopy(benchmark::State& state) {
  std::vector<uint8_t> from(kRegionSize, 1);
  std::vector<uint8_t> to(static_cast<size_t>(state.range(0)));
  uint64_t offset = 0;
  for (auto _ : state) {
    memcpy(to.data(), from.data() + offset, to.size());
    benchmark::ClobberMemory();
    offset = (offset + to.size()) % kRegionSize;
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(BM_PlainCopy)->ArgName("bytes")->Arg(8)->Arg(64)->Arg(4096)->Arg(65536);

}  // namespace
}  // namespace touchstone
