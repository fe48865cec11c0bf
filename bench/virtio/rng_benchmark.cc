// Random bytes for the guest: a kick, a turn of the loop, a request served, without a transport.

#include <cstdint>

#include "base/event/manual_loop.h"
#include "base/log.h"
#include "benchmark/benchmark.h"
#include "devices/virtio/rng/rng.h"
#include "devices/virtio/testing/guest_driver.h"

namespace touchstone {
namespace {

void BM_Rng(benchmark::State& state) {
  const auto size = static_cast<uint32_t>(state.range(0));
  ManualLoop loop;
  Rng rng(loop);
  GuestDriver guest(rng, {});
  guest.Start();
  for (auto _ : state) {
    guest.queue(0).Chain().Writable(size).Send();
    guest.Kick(0);
    loop.RunReady();
    CHECK(guest.queue(0).PollUsed()->length == size);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * size);
}
BENCHMARK(BM_Rng)->Arg(64)->Arg(4096)->Arg(65536);

}  // namespace
}  // namespace touchstone
