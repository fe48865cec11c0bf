// What tests, fuzzers and benchmarks of the socket device share: a host of fake streams, a guest
// that speaks packets, and the device's kit.
//
//   VsockBench bench;
//   bench.Start();
//   FakeVsockHost::Program& program = bench.host().Listen(80);
//   bench.Send(bench.Packet(VsockOp::kRequest, {.host = 80, .guest = 1000}));
//   EXPECT_EQ(bench.Receive()->op(), VsockOp::kResponse);
//   program.streams[0]->Write("hello");                          // As the host's program does.
//
// Thread-compatible.
//
// HostEvent of the kit, by kind; bytes[0] says which stream, in the order they were opened:
//
//   0  a program connects to the guest's port 22    4  a stream ends writing
//   1  a stream says the other bytes                5  a stream closes
//   2  a stream reads all                           6  a stream breaks
//   3  a stream has room for bytes[1] only          7  the listener at port 80 is busy, or not any
//   more

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VSOCK_TESTING_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VSOCK_TESTING_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/event/event_loop.h"
#include "base/event/manual_loop.h"
#include "base/log.h"
#include "devices/virtio/testing/device_kit.h"
#include "devices/virtio/testing/guest_driver.h"
#include "devices/virtio/vsock/packet.h"
#include "devices/virtio/vsock/stream.h"
#include "devices/virtio/vsock/vsock.h"

namespace touchstone {

class FakeVsockStream;

// The end of a stream that the host's program holds; outlives the device's end.
class FakeVsockEnd : public std::enable_shared_from_this<FakeVsockEnd> {
 public:
  // --- The program's side.

  void Write(absl::string_view bytes) {
    to_guest_.append(bytes.data(), bytes.size());
    Poke();
  }
  // Ends writing; Close ends all.
  void ShutdownWrite() {
    write_ended_ = true;
    Poke();
  }
  void Close() {
    write_ended_ = true;
    closed_ = true;
    Poke();
  }
  // As a program that crashes with bytes unread.
  void Break() {
    broken_ = true;
    Close();
  }
  // Takes all that the guest has sent so far.
  std::string Read() {
    std::string bytes = std::exchange(from_guest_, {});
    Poke();
    return bytes;
  }
  // The most that waits to be read.
  void SetCapacity(size_t capacity) {
    capacity_ = capacity;
    Poke();
  }
  // So many bytes of any content for the guest, without their memory.
  void WriteEndlessly() {
    endless_ = true;
    Poke();
  }

  [[nodiscard]] const std::string& to_guest() const { return to_guest_; }
  // What the device did.
  [[nodiscard]] bool device_closed() const { return stream_ == nullptr && attached_; }
  [[nodiscard]] bool device_shutdown_write() const { return device_shutdown_write_; }
  [[nodiscard]] bool device_shutdown_read() const { return device_shutdown_read_; }
  [[nodiscard]] uint32_t accepted_port() const { return accepted_port_; }
  [[nodiscard]] bool watches_readable() const { return watch_readable_; }

 private:
  friend class FakeVsockStream;

  // Tells the device what it watches for, on the loop.
  void Poke();
  // The stream may be gone afterwards.
  void Tell() {
    if (sink_ == nullptr) return;
    const bool readable = !to_guest_.empty() || write_ended_ || endless_;
    if (watch_readable_ && readable) sink_->StreamReadable(id_);
    const bool writable = from_guest_.size() < capacity_ || closed_;
    if (stream_ != nullptr && watch_writable_ && writable) sink_->StreamWritable(id_);
  }

  std::string to_guest_;
  std::string from_guest_;
  size_t capacity_ = 1 << 20;
  bool endless_ = false;
  bool write_ended_ = false;
  bool closed_ = false;
  bool broken_ = false;

  bool attached_ = false;
  FakeVsockStream* stream_ = nullptr;
  VsockStreamSink* sink_ = nullptr;
  uint64_t id_ = 0;
  bool watch_readable_ = false;
  bool watch_writable_ = false;
  bool device_shutdown_write_ = false;
  bool device_shutdown_read_ = false;
  uint32_t accepted_port_ = 0;
};

class FakeVsockStream final : public VsockStream {
 public:
  FakeVsockStream(EventLoop& loop, std::shared_ptr<FakeVsockEnd> end)
      : loop_(loop), end_(std::move(end)) {
    end_->attached_ = true;
    end_->stream_ = this;
  }
  ~FakeVsockStream() override { end_->stream_ = nullptr; }

  void Bind(VsockStreamSink& sink, uint64_t id) override {
    end_->sink_ = &sink;
    end_->id_ = id;
  }
  void Unbind() override { end_->sink_ = nullptr; }
  void WatchReadable(bool watch) override {
    if (std::exchange(end_->watch_readable_, watch) != watch && watch) end_->Poke();
  }
  void WatchWritable(bool watch) override {
    if (std::exchange(end_->watch_writable_, watch) != watch && watch) end_->Poke();
  }
  Result Read(absl::Span<const iovec> slices) override {
    if (end_->broken_) return {Result::Kind::kError, 0};
    size_t done = 0;
    for (const iovec& slice : slices) {
      const size_t piece =
          end_->endless_ ? slice.iov_len : std::min(slice.iov_len, end_->to_guest_.size() - done);
      if (!end_->endless_ && piece > 0) {
        memcpy(slice.iov_base, end_->to_guest_.data() + done, piece);
      }
      done += piece;
    }
    if (!end_->endless_) end_->to_guest_.erase(0, done);
    if (done > 0) return {Result::Kind::kDone, done};
    return {end_->write_ended_ ? Result::Kind::kEnd : Result::Kind::kWait, 0};
  }
  Result Write(absl::Span<const iovec> slices) override {
    if (end_->closed_) return {Result::Kind::kError, 0};
    size_t done = 0;
    for (const iovec& slice : slices) {
      const size_t piece = std::min(slice.iov_len, end_->capacity_ - end_->from_guest_.size());
      end_->from_guest_.append(static_cast<const char*>(slice.iov_base), piece);
      done += piece;
    }
    return {done > 0 ? Result::Kind::kDone : Result::Kind::kWait, done};
  }
  void ShutdownWrite() override { end_->device_shutdown_write_ = true; }
  void ShutdownRead() override { end_->device_shutdown_read_ = true; }
  bool HostClosed() override { return end_->closed_; }
  absl::Status Accepted(uint32_t host_port) override {
    if (end_->closed_) return absl::FailedPreconditionError("closed");
    end_->accepted_port_ = host_port;
    return absl::OkStatus();
  }

 private:
  friend class FakeVsockEnd;

  EventLoop& loop_;
  const std::shared_ptr<FakeVsockEnd> end_;
  Watch poke_;
};

inline void FakeVsockEnd::Poke() {
  if (stream_ == nullptr || stream_->poke_.active()) return;
  stream_->poke_ = stream_->loop_.After(absl::ZeroDuration(), [self = shared_from_this()] {
    const std::shared_ptr<FakeVsockEnd> kept = self;  // Beyond its stream.
    kept->stream_->poke_.Reset();
    kept->Tell();
  });
}

class FakeVsockHost final : public VsockHost {
 public:
  struct Program {
    std::vector<std::shared_ptr<FakeVsockEnd>> streams;
    bool busy = false;
  };

  explicit FakeVsockHost(EventLoop& loop) : loop_(loop) {}

  // A program that takes what the guest opens at `port`.
  Program& Listen(uint32_t port) { return programs_[port]; }
  // A program that connects to a port of the guest.
  std::shared_ptr<FakeVsockEnd> ConnectTo(uint32_t guest_port) {
    auto end = std::make_shared<FakeVsockEnd>();
    callers_.push_back(loop_.After(absl::ZeroDuration(), [this, end, guest_port] {
      acceptor_->HostConnects(guest_port, std::make_unique<FakeVsockStream>(loop_, end));
    }));
    return end;
  }
  [[nodiscard]] bool accepting() const { return accepting_; }

  void Serve(VsockAcceptor& acceptor) override { acceptor_ = &acceptor; }
  void SetAccepting(bool accepting) override { accepting_ = accepting; }
  absl::StatusOr<std::unique_ptr<VsockStream>> Connect(uint32_t port) override {
    const auto found = programs_.find(port);
    if (found == programs_.end()) return absl::NotFoundError("nobody listens");
    if (found->second.busy) return absl::UnavailableError("busy");
    found->second.streams.push_back(std::make_shared<FakeVsockEnd>());
    return std::make_unique<FakeVsockStream>(loop_, found->second.streams.back());
  }

 private:
  EventLoop& loop_;
  VsockAcceptor* acceptor_ = nullptr;
  bool accepting_ = false;
  std::map<uint32_t, Program> programs_;
  std::vector<Watch> callers_;
};

// A packet as the guest sees it.
struct VsockPacket {
  VsockHeader header;
  std::string payload;

  [[nodiscard]] VsockOp op() const { return static_cast<VsockOp>(header.op.get()); }
};

// The device, its fake host, and a guest without a transport in between.
class VsockBench {
 public:
  static constexpr uint64_t kGuestCid = 42;
  // What the guest says that it has room for.
  static constexpr uint32_t kGuestBuffer = 64 * 1024;

  explicit VsockBench(GuestDriver::Options options = {})
      : device_(loop_, {.guest_cid = kGuestCid},
                [this](EventLoop& loop) {
                  auto host = std::make_unique<FakeVsockHost>(loop);
                  host_ = host.get();
                  return host;
                }),
        guest_(device_, options) {}

  void Start() {
    guest_.Start();
    loop_.RunReady();
  }

  // A well-formed packet of the guest without payload.
  static VsockHeader Packet(VsockOp op, VsockConnection::Ports ports) {
    VsockHeader header{};
    header.src_cid = kGuestCid;
    header.dst_cid = kVsockHostCid;
    header.src_port = ports.guest;
    header.dst_port = ports.host;
    header.type = kVsockTypeStream;
    header.op = static_cast<uint16_t>(op);
    header.buf_alloc = kGuestBuffer;
    return header;
  }

  // Sends a packet, and takes the buffer back.
  void Send(const VsockHeader& header, absl::string_view payload = "") {
    const auto* const bytes = reinterpret_cast<const uint8_t*>(&header);
    DriverQueue::Builder chain = guest_.queue(Vsock::kTx).Chain();
    chain.Readable(absl::MakeConstSpan(bytes, sizeof(header)));
    if (!payload.empty()) {
      chain.Readable(
          absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(payload.data()), payload.size()));
    }
    chain.Send();
    guest_.Kick(Vsock::kTx);
    loop_.RunReady();
    while (guest_.queue(Vsock::kTx).PollUsed().has_value()) {
    }
  }
  // The same with `length` set to what the payload has.
  void SendData(VsockConnection::Ports ports, absl::string_view payload) {
    VsockHeader header = Packet(VsockOp::kReadWrite, ports);
    header.length = static_cast<uint32_t>(payload.size());
    Send(header, payload);
  }

  // Gives the device a buffer.
  void GiveBuffer(uint32_t size = 4096 + sizeof(VsockHeader)) {
    guest_.queue(Vsock::kRx).Chain().Writable(size).Send();
    guest_.Kick(Vsock::kRx);
    loop_.RunReady();
  }
  // What came back filled, nothing when no buffer did.
  std::optional<VsockPacket> TakePacket() {
    const std::optional<DriverQueue::Used> used = guest_.queue(Vsock::kRx).PollUsed();
    if (!used.has_value() || used->length < sizeof(VsockHeader)) return std::nullopt;
    VsockPacket packet;
    memcpy(&packet.header, used->data.data(), sizeof(packet.header));
    packet.payload.assign(used->data.begin() + sizeof(packet.header),
                          used->data.begin() + used->length);
    return packet;
  }
  // The next packet that the device has for the guest. At most one buffer is left with it.
  std::optional<VsockPacket> Receive() {
    if (std::optional<VsockPacket> packet = TakePacket()) return packet;
    if (guest_.queue(Vsock::kRx).in_flight() == 0) GiveBuffer();
    loop_.RunReady();
    return TakePacket();
  }

  [[nodiscard]] ManualLoop& loop() { return loop_; }
  [[nodiscard]] FakeVsockHost& host() { return *host_; }
  [[nodiscard]] Vsock& device() { return device_; }
  [[nodiscard]] GuestDriver& guest() { return guest_; }

 private:
  ManualLoop loop_;
  FakeVsockHost* host_ = nullptr;
  Vsock device_;
  GuestDriver guest_;
};

class VsockUnderTest final : public TestDevice {
 public:
  explicit VsockUnderTest(ManualLoop& loop);

  [[nodiscard]] VirtioDevice& device() override { return device_; }
  void HostEvent(uint8_t kind, absl::Span<const uint8_t> bytes) override;

 private:
  // Beyond so many streams the host does nothing new, so that no program takes long.
  static constexpr size_t kMaxStreams = 64;

  FakeVsockHost* host_ = nullptr;
  Vsock device_;
  std::vector<std::shared_ptr<FakeVsockEnd>> callers_;
};

DeviceKit VsockKit();

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VSOCK_TESTING_H_
