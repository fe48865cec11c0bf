// Frames of the network device both ways: directly, over PCI and over vhost-user (bench_guest.h),
// on a network that takes and gives frames without system calls and without copying them.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "base/event/manual_loop.h"
#include "base/event_fd.h"
#include "base/log.h"
#include "bench/support/bench_guest.h"
#include "benchmark/benchmark.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/net/net.h"
#include "devices/virtio/net/net_backend.h"
#include "devices/virtio/net/net_protocol.h"

namespace touchstone {
namespace {

constexpr uint16_t kReceive = 0;
constexpr uint16_t kTransmit = 1;
constexpr int kBatch = 32;
constexpr uint64_t kQueueMemory = 8 << 20;

// Has always room, and always a frame.
class EndlessPort final : public NetPort {
 public:
  NetResult Receive(absl::Span<const iovec> buffers, size_t& size) override {
    if (frame_size == 0) return NetResult::kAgain;
    memset(buffers[0].iov_base, 0, std::min(buffers[0].iov_len, frame_size));
    size = frame_size;
    return NetResult::kDone;
  }
  NetResult Send(absl::Span<const iovec> frame) override {
    benchmark::DoNotOptimize(frame.data());
    ++sent;
    return NetResult::kDone;
  }
  [[nodiscard]] int fd() const override { return event_.fd(); }

  size_t frame_size = 0;
  uint64_t sent = 0;

 private:
  const EventFd event_ = EventFd::Create().value();
};

class EndlessBackend final : public NetBackend {
 public:
  [[nodiscard]] size_t pairs() const override { return 1; }
  [[nodiscard]] EndlessPort& port(size_t /*pair*/) override { return port_; }
  [[nodiscard]] uint64_t offloads() const override {
    return kNetHostOffloadBits | kNetGuestOffloadBits;
  }
  [[nodiscard]] std::optional<uint16_t> mtu() const override { return 1500; }
  absl::Status SetGuestOffloads(uint64_t /*offloads*/) override { return absl::OkStatus(); }
  absl::Status SetActivePairs(size_t /*pairs*/) override { return absl::OkStatus(); }

 private:
  EndlessPort port_;
};

struct Rig {
  explicit Rig(BenchHost host) : Rig(host, std::make_unique<EndlessBackend>()) {}

  ManualLoop loop;
  EndlessPort* port;
  Net device;
  BenchGuest guest;

 private:
  Rig(BenchHost host, std::unique_ptr<EndlessBackend> backend)
      : port(&backend->port(0)),
        device(std::move(backend), Net::Options{}, loop),
        guest(device, loop, host,
              {.features = kNetMergeable | kVirtioEventIndex, .queue_memory = kQueueMemory}) {}
};

void CountFrames(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * kBatch);
  state.SetBytesProcessed(state.iterations() * kBatch * state.range(1));
}

// Arguments: the host, bytes of a frame with its header.
void BM_GuestToHost(benchmark::State& state) {
  Rig rig(BenchHost{state.range(0)});
  const std::vector<uint8_t> frame(static_cast<size_t>(state.range(1)));
  for (auto _ : state) {
    for (int i = 0; i < kBatch; ++i) rig.guest.queue(kTransmit).Chain().Readable(frame).Send();
    CHECK(rig.guest.Serve(kTransmit) == kBatch);
  }
  CHECK(rig.port->sent == static_cast<uint64_t>(state.iterations()) * kBatch);
  CountFrames(state);
}
BENCHMARK(BM_GuestToHost)->ArgNames({"host", "bytes"})->ArgsProduct({{0, 1, 2}, {76, 1526, 65562}});

// A frame in a buffer.
void BM_HostToGuest(benchmark::State& state) {
  Rig rig(BenchHost{state.range(0)});
  rig.port->frame_size = static_cast<size_t>(state.range(1));
  const auto room = static_cast<uint32_t>(state.range(1));
  for (auto _ : state) {
    for (int i = 0; i < kBatch; ++i) rig.guest.queue(kReceive).Chain().Writable(room).Send();
    CHECK(rig.guest.Serve(kReceive) == kBatch);
  }
  CountFrames(state);
}
BENCHMARK(BM_HostToGuest)->ArgNames({"host", "bytes"})->ArgsProduct({{0, 1, 2}, {76, 1526, 65562}});

// A frame of the largest size in mergeable buffers of 1526 bytes, as Linux gives them.
void BM_HostToGuestMerged(benchmark::State& state) {
  constexpr int kBuffers = 43;
  Rig rig(BenchHost{state.range(0)});
  rig.port->frame_size = static_cast<size_t>(state.range(1));
  for (auto _ : state) {
    for (int i = 0; i < kBuffers; ++i) rig.guest.queue(kReceive).Chain().Writable(1526).Send();
    CHECK(rig.guest.Serve(kReceive) == kBuffers);
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * state.range(1));
}
BENCHMARK(BM_HostToGuestMerged)->ArgNames({"host", "bytes"})->ArgsProduct({{0, 1, 2}, {65562}});

}  // namespace
}  // namespace touchstone
