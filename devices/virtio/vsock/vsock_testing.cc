#include "devices/virtio/vsock/vsock_testing.h"

namespace touchstone {
namespace {

constexpr VsockConnection::Ports kPorts = {.host = 80, .guest = 1000};
constexpr uint32_t kGuestPort = 22;

std::vector<uint8_t> BytesOf(const VsockHeader& header, absl::string_view payload = "") {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(&header);
  std::vector<uint8_t> all(bytes, bytes + sizeof(header));
  all.insert(all.end(), payload.begin(), payload.end());
  return all;
}

// A packet of the guest; the buffer comes back whatever it says.
TestRequest Packet(std::string name, VsockOp op, uint32_t flags = 0,
                   absl::string_view payload = "") {
  VsockHeader header = VsockBench::Packet(op, kPorts);
  header.length = static_cast<uint32_t>(payload.size());
  header.flags = flags;
  return {.name = std::move(name),
          .queue = Vsock::kTx,
          .readable = {BytesOf(header, payload)},
          .is_answer = [](const DriverQueue::Used& used) { return used.length == 0; }};
}

// A packet of the device for this guest.
bool IsPacket(const DriverQueue::Used& used) {
  VsockHeader header;
  if (used.length < sizeof(header) || used.length > used.data.size()) return false;
  memcpy(&header, used.data.data(), sizeof(header));
  return header.src_cid == kVsockHostCid && header.dst_cid == VsockBench::kGuestCid &&
         header.type == kVsockTypeStream && used.length == sizeof(header) + header.length;
}

}  // namespace

VsockUnderTest::VsockUnderTest(ManualLoop& loop)
    : device_(loop, {.guest_cid = VsockBench::kGuestCid}, [this](EventLoop& locking_loop) {
        auto host = std::make_unique<FakeVsockHost>(locking_loop);
        host_ = host.get();
        return host;
      }) {
  host_->Listen(kPorts.host);
}

void VsockUnderTest::HostEvent(uint8_t kind, absl::Span<const uint8_t> bytes) {
  std::vector<std::shared_ptr<FakeVsockEnd>> ends = host_->Listen(kPorts.host).streams;
  ends.insert(ends.end(), callers_.begin(), callers_.end());
  if (kind == 0) {
    if (ends.size() < kMaxStreams) callers_.push_back(host_->ConnectTo(kGuestPort));
    return;
  }
  if (kind == 7) {
    host_->Listen(kPorts.host).busy ^= true;
    return;
  }
  if (ends.empty() || bytes.empty()) return;
  FakeVsockEnd& end = *ends[bytes[0] % ends.size()];
  bytes.remove_prefix(1);
  switch (kind) {
    case 1:
      return end.Write({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    case 2:
      end.Read();
      return;
    case 3:
      return end.SetCapacity(bytes.empty() ? 0 : bytes[0]);
    case 4:
      return end.ShutdownWrite();
    case 5:
      return end.Close();
    case 6:
      return end.Break();
    default:
      return;
  }
}

DeviceKit VsockKit() {
  DeviceKit kit = {
      .make = [](ManualLoop& loop) { return std::make_unique<VsockUnderTest>(loop); },
      .requests = {Packet("ResetOfNothing", VsockOp::kReset), Packet("Connect", VsockOp::kRequest),
                   Packet("Data", VsockOp::kReadWrite, 0, "hello"),
                   Packet("CreditUpdate", VsockOp::kCreditUpdate),
                   Packet("CreditRequest", VsockOp::kCreditRequest)}};
  kit.requests.push_back({.name = "HostConnects",
                          .queue = Vsock::kRx,
                          .writable = {sizeof(VsockHeader), 4096},
                          .events = {{.kind = 0}},
                          .is_answer = IsPacket});
  kit.requests.push_back(Packet("EndOfSending", VsockOp::kShutdown, kVsockNoSend));
  kit.requests.push_back(Packet("End", VsockOp::kShutdown, kVsockNothing));
  return kit;
}

}  // namespace touchstone
