// What the block device itself costs: requests of the guest over a disk in memory, whose copying is
// part of the time: directly, over PCI and over vhost-user (bench_guest.h).

#include <cstdint>
#include <random>
#include <vector>

#include "base/event/manual_loop.h"
#include "base/log.h"
#include "bench/support/bench_guest.h"
#include "benchmark/benchmark.h"
#include "devices/virtio/block/block.h"
#include "devices/virtio/block/block_testing.h"
#include "devices/virtio/block/fake_block_io.h"

namespace touchstone {
namespace {

constexpr uint64_t kDiskSize = 64 << 20;
constexpr uint64_t kQueueMemory = 16 << 20;
constexpr int kBatch = 32;

struct Rig {
  Rig(BenchHost host, bool packed)
      : fake(kDiskSize),
        device(loop, {.sectors = kDiskSize / kBlockSector, .packed_ring = packed, .queues = 1},
               fake.Maker()),
        guest(device, loop, host, {.features = ~uint64_t{0}, .queue_memory = kQueueMemory}) {
    fake.record = false;
  }

  ManualLoop loop;
  FakeDisk fake;
  Block device;
  BenchGuest guest;
};

// Batches of kBatch requests of `size` bytes; `next_sector` says where each begins.
template <typename NextSector>
void Run(benchmark::State& state, BlockRequestType type, uint32_t size, NextSector next_sector) {
  Rig rig(BenchHost{state.range(0)}, state.range(1) != 0);
  DriverQueue& queue = rig.guest.queue(0);
  const std::vector<uint8_t> data(size, 0x5A);
  for (auto _ : state) {
    for (int i = 0; i < kBatch; ++i) {
      DriverQueue::Builder chain = queue.Chain();
      chain.Readable(HeaderBytes(type, next_sector()));
      if (type == BlockRequestType::kOut) {
        chain.Readable(data).Writable(1).Indirect().Send();
      } else {
        chain.Writable(size).Writable(1).Indirect().Send();
      }
    }
    rig.guest.Kick(0);
    for (int i = 0; i < kBatch; ++i) CHECK(queue.PollUsed()->data.back() == 0);
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
  state.SetBytesProcessed(state.iterations() * kBatch * size);
}

void RandomSectors(benchmark::State& state, BlockRequestType type) {
  constexpr uint32_t kSize = 4096;
  std::mt19937 random(1);
  Run(state, type, kSize, [&] { return random() % (kDiskSize / kSize) * (kSize / kBlockSector); });
}

void SequentialSectors(benchmark::State& state, BlockRequestType type) {
  constexpr uint32_t kSize = 128 << 10;
  uint64_t number = 0;
  Run(state, type, kSize, [&] { return number++ % (kDiskSize / kSize) * (kSize / kBlockSector); });
}

void BM_RandomRead4K(benchmark::State& state) { RandomSectors(state, BlockRequestType::kIn); }
void BM_RandomWrite4K(benchmark::State& state) { RandomSectors(state, BlockRequestType::kOut); }
void BM_SequentialRead128K(benchmark::State& state) {
  SequentialSectors(state, BlockRequestType::kIn);
}
void BM_SequentialWrite128K(benchmark::State& state) {
  SequentialSectors(state, BlockRequestType::kOut);
}
BENCHMARK(BM_RandomRead4K)->ArgNames({"host", "packed"})->ArgsProduct({{0, 1, 2}, {0, 1}});
BENCHMARK(BM_RandomWrite4K)->ArgNames({"host", "packed"})->ArgsProduct({{0, 1, 2}, {0, 1}});
BENCHMARK(BM_SequentialRead128K)->ArgNames({"host", "packed"})->ArgsProduct({{0, 1, 2}, {0, 1}});
BENCHMARK(BM_SequentialWrite128K)->ArgNames({"host", "packed"})->ArgsProduct({{0, 1, 2}, {0, 1}});

}  // namespace
}  // namespace touchstone
