// Pages into the balloon and out of the host: one kick with 256 page numbers, as Linux sends them,
// without a transport. The memory is touched again outside of the time that is measured.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "base/endian.h"
#include "base/event/manual_loop.h"
#include "base/log.h"
#include "base/memory/memory_control.h"
#include "benchmark/benchmark.h"
#include "devices/virtio/balloon/balloon.h"
#include "devices/virtio/testing/guest_driver.h"

namespace touchstone {
namespace {

constexpr uint32_t kPages = 256;
constexpr uint64_t kBytes = kPages * kBalloonPageSize;

// Page numbers in a row, or in any order with gaps.
std::vector<Le32> Frames(bool scattered) {
  std::vector<Le32> frames;
  for (uint32_t i = 0; i < kPages; ++i) frames.push_back(scattered ? 2 * i : i);
  std::mt19937 random(1);
  if (scattered) std::shuffle(frames.begin(), frames.end(), random);
  return frames;
}

void BM_Inflate(benchmark::State& state) {
  const std::vector<Le32> frames = Frames(state.range(0) != 0);
  const GuestMemory memory =
      GuestMemory::Create({{GuestAddress{0}, 2 * kBytes}}, {.huge_pages = false}).value();
  ManualLoop loop;
  Balloon balloon(loop, {.memory_size = 2 * kBytes}, std::make_unique<GuestMemoryControl>(memory));
  GuestDriver guest(balloon, {});
  guest.Start();
  for (auto _ : state) {
    state.PauseTiming();
    CHECK(memory.Fill(GuestAddress{0}, 2 * kBytes, 1).ok());
    guest.queue(0)
        .Chain()
        .Readable({reinterpret_cast<const uint8_t*>(frames.data()), 4 * frames.size()})
        .Send();
    state.ResumeTiming();
    guest.Kick(0);
    loop.RunReady();
    CHECK(guest.queue(0).PollUsed().has_value());
  }
  CHECK(balloon.counters().released_bytes == state.iterations() * kBytes);
  state.SetItemsProcessed(state.iterations() * kPages);
}
BENCHMARK(BM_Inflate)->ArgName("scattered")->Arg(0)->Arg(1);

}  // namespace
}  // namespace touchstone
