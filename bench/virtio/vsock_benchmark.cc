// Packets of the socket device both ways, and what a connection costs: directly, over PCI and over
// vhost-user, with a fake host that takes and gives bytes without system calls.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/event/manual_loop.h"
#include "base/log.h"
#include "bench/support/bench_guest.h"
#include "benchmark/benchmark.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/vsock/vsock_testing.h"

namespace touchstone {
namespace {

constexpr VsockConnection::Ports kPorts = {.host = 80, .guest = 1000};
constexpr int kBatch = 32;

struct Rig {
  explicit Rig(BenchHost kind)
      : device(loop, {.guest_cid = VsockBench::kGuestCid},
               [this](EventLoop& locking_loop) {
                 auto made = std::make_unique<FakeVsockHost>(locking_loop);
                 host = made.get();
                 return made;
               }),
        program(host->Listen(kPorts.host)),
        guest(device, loop, kind, {.features = kVirtioEventIndex, .queue_memory = 4 << 20}) {}

  // Puts a packet of the guest into the ring.
  void Queue(const VsockHeader& header, absl::Span<const uint8_t> payload = {}) {
    DriverQueue::Builder chain = guest.queue(Vsock::kTx).Chain();
    chain.Readable(absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(&header), sizeof(header)));
    if (!payload.empty()) chain.Readable(payload);
    chain.Send();
  }
  void Send(const VsockHeader& header) {
    Queue(header);
    guest.Serve(Vsock::kTx);
  }
  void GiveBuffers(int count, uint32_t size) {
    for (int i = 0; i < count; ++i) guest.queue(Vsock::kRx).Chain().Writable(size).Send();
    guest.Kick(Vsock::kRx);
  }

  ManualLoop loop;
  FakeVsockHost* host = nullptr;
  Vsock device;
  FakeVsockHost::Program& program;
  BenchGuest guest;
};

// The guest connects, hears that it is connected, and closes.
void BM_Connection(benchmark::State& state) {
  Rig rig(BenchHost{state.range(0)});
  VsockHeader shutdown = VsockBench::Packet(VsockOp::kShutdown, kPorts);
  shutdown.flags = kVsockNothing;
  for (auto _ : state) {
    rig.GiveBuffers(2, 4096);
    rig.Send(VsockBench::Packet(VsockOp::kRequest, kPorts));
    rig.Send(shutdown);
    CHECK(rig.guest.queue(Vsock::kRx).PollUsed().has_value());
    CHECK(rig.guest.queue(Vsock::kRx).PollUsed().has_value());
    rig.program.streams.clear();
  }
}
BENCHMARK(BM_Connection)->ArgName("host")->Arg(0)->Arg(1)->Arg(2);

// Arguments: the host, payload of a packet. Batches of kBatch packets.
void BM_GuestToHost(benchmark::State& state) {
  Rig rig(BenchHost{state.range(0)});
  const std::vector<uint8_t> payload(static_cast<size_t>(state.range(1)), 0x5A);
  rig.GiveBuffers(1, 4096);
  rig.Send(VsockBench::Packet(VsockOp::kRequest, kPorts));
  FakeVsockEnd& end = *rig.program.streams[0];
  end.SetCapacity(SIZE_MAX);
  VsockHeader header = VsockBench::Packet(VsockOp::kReadWrite, kPorts);
  header.length = static_cast<uint32_t>(payload.size());
  for (auto _ : state) {
    for (int i = 0; i < kBatch; ++i) rig.Queue(header, payload);
    rig.guest.Serve(Vsock::kTx);
    end.Read();
    // Credit updates, which have a buffer to come in.
    rig.guest.TakeBack(Vsock::kRx);
    if (rig.guest.queue(Vsock::kRx).in_flight() == 0) rig.GiveBuffers(1, 4096);
  }
  CHECK(rig.device.connections() == 1);
  state.SetItemsProcessed(state.iterations() * kBatch);
  state.SetBytesProcessed(state.iterations() * kBatch * state.range(1));
}
BENCHMARK(BM_GuestToHost)->ArgNames({"host", "bytes"})->ArgsProduct({{0, 1, 2}, {64, 4096, 65536}});

void BM_HostToGuest(benchmark::State& state) {
  Rig rig(BenchHost{state.range(0)});
  const auto size = static_cast<uint32_t>(state.range(1));
  rig.GiveBuffers(1, 4096);
  VsockHeader request = VsockBench::Packet(VsockOp::kRequest, kPorts);
  request.buf_alloc = UINT32_MAX;
  rig.Send(request);
  CHECK(rig.guest.queue(Vsock::kRx).PollUsed().has_value());
  rig.program.streams[0]->WriteEndlessly();
  rig.loop.RunReady();
  VsockHeader credit = VsockBench::Packet(VsockOp::kCreditUpdate, kPorts);
  credit.buf_alloc = UINT32_MAX;
  uint32_t received = 0;
  for (auto _ : state) {
    rig.GiveBuffers(kBatch, size + static_cast<uint32_t>(sizeof(VsockHeader)));
    int packets = 0;
    while (const std::optional<DriverQueue::Used> used = rig.guest.queue(Vsock::kRx).PollUsed()) {
      received += used->length - static_cast<uint32_t>(sizeof(VsockHeader));
      ++packets;
    }
    CHECK(packets == kBatch);
    credit.fwd_cnt = received;
    rig.Send(credit);
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
  state.SetBytesProcessed(state.iterations() * kBatch * state.range(1));
}
BENCHMARK(BM_HostToGuest)->ArgNames({"host", "bytes"})->ArgsProduct({{0, 1, 2}, {64, 4096, 65536}});

}  // namespace
}  // namespace touchstone
