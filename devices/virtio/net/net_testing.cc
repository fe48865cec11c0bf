#include "devices/virtio/net/net_testing.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "devices/virtio/net/net_protocol.h"

namespace touchstone {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr MacAddress kMac = {0x52, 0x54, 0, 1, 2, 3};
constexpr uint16_t kReceive = 0;
constexpr uint16_t kTransmit = 1;
// ECN is left to other tests, so that a fuzz program's choice of features reaches MQ.
constexpr uint64_t kOffloads = FakeNetBackend::kAllOffloads & ~(kNetGuestEcn | kNetHostEcn);

bool IsReturned(const DriverQueue::Used& used) { return used.length == 0; }

// A header of virtio, then a frame for everybody, whatever the filter is set to.
Bytes Broadcast() {
  return {0,    0,    0,    0,    0,    0,    0, 0, 0, 0, 0, 0,  //
          0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4, 5, 6, 0x08, 0x00};
}

TestRequest Receive(std::string name, std::vector<uint32_t> writable) {
  const Bytes frame = Broadcast();
  constexpr uint8_t kSize = 100;
  Bytes event = {0, kSize, 0};
  event.insert(event.end(), frame.begin(), frame.end());
  return {.name = std::move(name),
          .queue = kReceive,
          .writable = std::move(writable),
          .events = {{.kind = 1, .bytes = std::move(event)}},
          .is_answer = [frame](const DriverQueue::Used& used) {
            // In one buffer (Virtio 1.2, 5.1.6.4.1).
            return used.length == kSize && used.data[10] == 1 && used.data[11] == 0 &&
                   std::equal(frame.begin() + sizeof(NetHeader), frame.end(),
                              used.data.begin() + sizeof(NetHeader));
          }};
}

TestRequest Command(std::string name, uint16_t queue, uint64_t features, Bytes command,
                    uint8_t answer = kNetAckOk) {
  return {.name = std::move(name),
          .queue = queue,
          .readable = {std::move(command)},
          .writable = {1},
          .features = features | kNetControlQueue,
          .is_answer = [answer](const DriverQueue::Used& used) {
            return used.length == 1 && used.data[0] == answer;
          }};
}

DeviceKit KitOf(size_t pairs) {
  DeviceKit kit = {
      .make = [pairs](ManualLoop& loop) { return std::make_unique<NetUnderTest>(loop, pairs); },
      .requests = {{.name = "Transmit",
                    .queue = kTransmit,
                    .readable = {Broadcast()},
                    .is_answer = IsReturned}}};
  // With a header that asks for segments (5.1.6.2).
  kit.requests.push_back({.name = "TransmitSegments",
                          .queue = kTransmit,
                          .readable = {{1, 1, 54, 0, 0xB4, 5, 34, 0, 16, 0, 0, 0}, Bytes(9000)},
                          .is_answer = IsReturned});
  kit.requests.push_back(
      {.name = "TransmitARunt", .queue = kTransmit, .readable = {{1}}, .is_answer = IsReturned});
  kit.requests.push_back(
      {.name = "TransmitNothing", .queue = kTransmit, .writable = {8}, .is_answer = IsReturned});
  kit.requests.push_back({.name = "TransmitWhileThereIsNoRoom",
                          .queue = kTransmit,
                          .readable = {Broadcast()},
                          .events = {{.kind = 2, .bytes = {0}}, {.kind = 2, .bytes = {0}}},
                          .is_answer = IsReturned});
  kit.requests.push_back(Receive("Receive", {1526}));
  kit.requests.push_back(Receive("ReceiveInPieces", {12, 14, 1500}));

  const uint64_t multiqueue = pairs > 1 ? kNetMultiqueue : 0;
  const auto control = static_cast<uint16_t>(2 * pairs);
  const auto command = [&](std::string name, uint64_t features, Bytes bytes) {
    kit.requests.push_back(
        Command(std::move(name), control, features | multiqueue, std::move(bytes)));
  };
  command("NotPromiscuous", kNetControlReceive, {0, 0, 0});
  command("AllMulticast", kNetControlReceive, {0, 1, 1});
  command("AddressTables", kNetControlReceive,
          {1, 0, 1, 0, 0, 0, 0x52, 0x54, 0, 9, 9, 9, 1, 0, 0, 0, 0x33, 0x33, 0, 0, 0, 1});
  command("Address", kNetControlMac, {1, 1, 0x52, 0x54, 0, 9, 9, 9});
  command("NoOffloads", kNetGuestOffloads, {5, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  kit.requests.push_back(
      Command("NoCommand", control, multiqueue, {9, 9, 9}, /*answer=*/kNetAckError));
  return kit;
}

}  // namespace

NetUnderTest::NetUnderTest(ManualLoop& loop, size_t pairs)
    : backend_(new FakeNetBackend(pairs, kOffloads)),
      net_(std::unique_ptr<NetBackend>(backend_), {.mac = kMac, .packed = true}, loop) {
  for (size_t pair = 0; pair < pairs; ++pair) backend_->fake_port(pair).keep_sent = false;
}

void NetUnderTest::HostEvent(uint8_t kind, absl::Span<const uint8_t> bytes) {
  constexpr NetResult kResults[] = {NetResult::kDone, NetResult::kFailed, NetResult::kGone};
  const auto at = [bytes](size_t i) -> uint8_t { return i < bytes.size() ? bytes[i] : 0; };
  FakeNetPort& port = backend_->fake_port(at(0) % backend_->pairs());
  switch (kind % 6) {
    case 1:
      port.Lose();
      [[fallthrough]];
    case 0: {
      if (port.arriving.size() == kMaxArriving) return;
      bytes.remove_prefix(std::min<size_t>(bytes.size(), 3));
      Bytes frame(bytes.begin(), bytes.end());
      frame.resize(at(1) | size_t{at(2)} << 8);
      return port.Arrive(std::move(frame));
    }
    case 2:
      return port.SetBusy(!port.busy());
    case 3:
      port.receive_result = kResults[at(1) % 3];
      return;
    case 4:
      port.send_result = kResults[at(1) % 3];
      return;
    default:
      backend_->status =
          backend_->status.ok() ? absl::UnavailableError("no more") : absl::OkStatus();
      return;
  }
}

DeviceKit NetKit() { return KitOf(1); }

DeviceKit NetPairsKit() {
  DeviceKit kit = KitOf(2);
  // The rings of the second pair, which is not active at first.
  kit.late_queues = {{.queue = 2}, {.queue = 3}};
  kit.requests.push_back(Command("BothPairs", 4, kNetMultiqueue, {4, 0, 2, 0}));
  kit.requests.push_back(Command("OnePair", 4, kNetMultiqueue, {4, 0, 1, 0}));
  return kit;
}

}  // namespace touchstone
