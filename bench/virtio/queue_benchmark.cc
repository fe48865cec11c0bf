// What a chain costs between Pop and Complete, split and packed.
//
// Prints the instructions of a chain where the machine can count them. The driver's part (making
// chains available again) is in the figures of BM_*: it is two stores for a split ring and one for
// a packed one. Arguments: descriptors of a chain, chains of a batch.

#include <algorithm>
#include <cstdint>

#include "base/log.h"
#include "bench/support/instruction_counter.h"
#include "benchmark/benchmark.h"
#include "devices/virtio/core/virt_queue.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/raw_packed_ring.h"
#include "devices/virtio/testing/raw_split_ring.h"

namespace touchstone {
namespace {

constexpr uint32_t kSize = 256;
constexpr GuestAddress kRing{0};
constexpr uint64_t kBuffer = 0x10000;

GuestMemory Memory() { return GuestMemory::Create({{GuestAddress{0}, 0x20000}}, {}).value(); }

uint16_t FlagsOf(uint32_t i, uint32_t descriptors) {
  return static_cast<uint16_t>((i + 1 < descriptors ? kDescriptorNext : 0) |
                               (i > 0 || descriptors == 1 ? kDescriptorWrite : 0));
}

// A function of its own, so that callgrind can count it alone.
[[gnu::noinline]] void PopAndComplete(VirtQueue& queue, uint32_t batch) {
  for (uint32_t i = 0; i < batch; ++i) {
    std::optional<ReadableChain> chain = queue.Pop();
    CHECK(chain.has_value());
    std::move(*chain).Complete();
  }
}

void BM_Split(benchmark::State& state) {
  const auto descriptors = static_cast<uint32_t>(state.range(0));
  const auto batch = static_cast<uint32_t>(state.range(1));
  const GuestMemory memory = Memory();
  RawSplitRing ring(memory, kRing, kSize);
  VirtQueue queue =
      VirtQueue::Create(memory, {.layout = ring.layout(), .features = kVirtioVersion1}).value();
  const uint32_t chains = kSize / descriptors;
  for (uint32_t i = 0; i < chains * descriptors; ++i) {
    ring.SetDescriptor(i, {kBuffer + 64 * i, 64, FlagsOf(i % descriptors, descriptors),
                           static_cast<uint16_t>(i + 1)});
  }
  // Every entry names a chain for good; only the index moves.
  for (uint32_t i = 0; i < kSize; ++i) {
    ring.Stage(static_cast<uint16_t>(i % chains * descriptors));
  }
  uint16_t available = 0;
  const InstructionCounter instructions;
  for (auto _ : state) {
    available = static_cast<uint16_t>(available + batch);
    ring.SetAvailableIndex(available);
    PopAndComplete(queue, batch);
  }
  instructions.Report(state, batch);
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * batch);
}
BENCHMARK(BM_Split)->ArgsProduct({{1, 3}, {1, 32}});

void BM_Packed(benchmark::State& state) {
  const auto descriptors = static_cast<uint32_t>(state.range(0));
  const auto batch = static_cast<uint32_t>(state.range(1));
  const GuestMemory memory = Memory();
  RawPackedRing ring(memory, kRing, kSize);
  VirtQueue queue = VirtQueue::Create(memory, {.layout = ring.layout(),
                                               .features = kVirtioVersion1 | kVirtioPackedRing})
                        .value();
  uint32_t next = 0;
  bool wrap = true;
  const InstructionCounter instructions;
  for (auto _ : state) {
    for (uint32_t chain = 0; chain < batch; ++chain) {
      for (uint32_t i = 0; i < descriptors; ++i) {
        ring.MakeAvailable(
            next, {kBuffer + 64 * i, 64, static_cast<uint16_t>(chain), FlagsOf(i, descriptors)},
            wrap);
        if (++next == kSize) {
          next = 0;
          wrap = !wrap;
        }
      }
    }
    PopAndComplete(queue, batch);
  }
  instructions.Report(state, batch);
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * batch);
}
BENCHMARK(BM_Packed)->ArgsProduct({{1, 3}, {1, 32}});

// The driver's part of BM_Packed, to be taken off.
void BM_PackedDriverAlone(benchmark::State& state) {
  const auto descriptors = static_cast<uint32_t>(state.range(0));
  const GuestMemory memory = Memory();
  RawPackedRing ring(memory, kRing, kSize);
  uint32_t next = 0;
  bool wrap = true;
  const InstructionCounter instructions;
  for (auto _ : state) {
    for (uint32_t i = 0; i < descriptors; ++i) {
      ring.MakeAvailable(next, {kBuffer + 64 * i, 64, 0, FlagsOf(i, descriptors)}, wrap);
      if (++next == kSize) {
        next = 0;
        wrap = !wrap;
      }
    }
  }
  instructions.Report(state, 1);
}
BENCHMARK(BM_PackedDriverAlone)->Arg(1)->Arg(3);

// With the rest of what a device does for a request: 16 bytes read, 1 written, suppression looked
// after.
void BM_SplitRequest(benchmark::State& state) {
  const GuestMemory memory = Memory();
  RawSplitRing ring(memory, kRing, kSize);
  VirtQueue queue = VirtQueue::Create(memory, {.layout = ring.layout(),
                                               .features = kVirtioVersion1 | kVirtioEventIndex})
                        .value();
  ring.SetDescriptor(0, {kBuffer, 16, kDescriptorNext, 1});
  ring.SetDescriptor(1, {kBuffer + 64, 1, kDescriptorWrite, 0});
  for (uint32_t i = 0; i < kSize; ++i) ring.Stage(0);
  uint16_t available = 0;
  const InstructionCounter instructions;
  for (auto _ : state) {
    ring.SetAvailableIndex(++available);
    queue.DisableKicks();
    ReadableChain chain = *queue.Pop();
    struct Header {
      uint8_t bytes[16];
    };
    benchmark::DoNotOptimize(chain.ReadObject<Header>());
    WritableChain answer = std::move(chain).IntoWritable();
    benchmark::DoNotOptimize(answer.WriteObject<uint8_t>(0));
    std::move(answer).Complete();
    benchmark::DoNotOptimize(queue.EnableKicks());
    benchmark::DoNotOptimize(queue.NeedsSignal());
  }
  instructions.Report(state, 1);
}
BENCHMARK(BM_SplitRequest);

}  // namespace
}  // namespace touchstone
