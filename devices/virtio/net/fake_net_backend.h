// A network without a network: frames to receive are given to it, frames that were sent are read
// from it.
//
//   FakeNetBackend& backend = ...;
//   backend.fake_port(0).Arrive(frame);       // With a NetHeader in front.
//   ... backend.fake_port(0).sent ...
//
// Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_NET_FAKE_NET_BACKEND_H_
#define TOUCHSTONE_DEVICES_VIRTIO_NET_FAKE_NET_BACKEND_H_

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <list>
#include <memory>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/scoped_fd.h"
#include "devices/virtio/net/net_backend.h"
#include "devices/virtio/net/net_protocol.h"

namespace touchstone {

// A descriptor that is readable, or not writable, as the other end wants it. Making one takes the
// system some time, so that those of ports that are gone are used again.
class FakeDescriptor {
 public:
  FakeDescriptor() : ends_(Take()) {}
  ~FakeDescriptor() {
    SetReadable(false);
    SetWritable(true);
    Pool().push_back(std::move(ends_));
  }
  FakeDescriptor(const FakeDescriptor&) = delete;
  FakeDescriptor& operator=(const FakeDescriptor&) = delete;

  [[nodiscard]] int fd() const { return ends_.ours.get(); }
  void SetReadable(bool readable) {
    if (std::exchange(readable_, readable) == readable) return;
    char token = 0;
    CHECK((readable ? write(ends_.other.get(), &token, 1) : read(fd(), &token, 1)) == 1);
  }
  void SetWritable(bool writable) {
    if (std::exchange(writable_, writable) == writable) return;
    static char bytes[1 << 16] = {};
    while ((writable ? read(ends_.other.get(), bytes, sizeof(bytes))
                     : write(fd(), bytes, sizeof(bytes))) > 0) {
    }
  }

 private:
  struct Ends {
    ScopedFd ours;
    ScopedFd other;
  };
  static std::vector<Ends>& Pool() {
    thread_local std::vector<Ends> pool;
    return pool;
  }
  static Ends Take() {
    if (!Pool().empty()) {
      Ends ends = std::move(Pool().back());
      Pool().pop_back();
      return ends;
    }
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    const int little = 1;  // Soon full: the system takes its least for it.
    CHECK(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)) == 0);
    return {.ours = ScopedFd(fds[0]), .other = ScopedFd(fds[1])};
  }

  Ends ends_;
  bool readable_ = false;
  bool writable_ = true;
};

class FakeNetPort final : public NetPort {
 public:
  using Frame = std::vector<uint8_t>;

  void Arrive(Frame frame) {
    arriving.push_back(std::move(frame));
    descriptor_.SetReadable(true);
  }
  // Frames that nobody has received are lost.
  void Lose() {
    arriving.clear();
    descriptor_.SetReadable(false);
  }
  // Nothing has room from now on, or something does again.
  void SetBusy(bool busy) { descriptor_.SetWritable(!(busy_ = busy)); }
  [[nodiscard]] bool busy() const { return busy_; }

  // A failure takes a frame with it; there is none of a frame that is not there.
  NetResult Receive(absl::Span<const iovec> buffers, size_t& size) override {
    ++receive_calls;
    if (receive_result == NetResult::kGone) return receive_result;
    if (arriving.empty()) return NetResult::kAgain;
    const Frame frame = std::move(arriving.front());
    arriving.pop_front();
    if (arriving.empty()) descriptor_.SetReadable(false);
    if (receive_result != NetResult::kDone) return receive_result;
    size = 0;
    for (const iovec& buffer : buffers) {
      const size_t piece = std::min(buffer.iov_len, frame.size() - size);
      if (piece > 0) memcpy(buffer.iov_base, frame.data() + size, piece);
      size += piece;
    }
    return NetResult::kDone;
  }
  NetResult Send(absl::Span<const iovec> frame) override {
    if (busy_) return NetResult::kAgain;
    if (send_result != NetResult::kDone) return send_result;
    if (!keep_sent) return NetResult::kDone;
    Frame bytes;
    for (const iovec& piece : frame) {
      const auto* const from = static_cast<const uint8_t*>(piece.iov_base);
      bytes.insert(bytes.end(), from, from + piece.iov_len);
    }
    sent.push_back(std::move(bytes));
    return NetResult::kDone;
  }
  void Abandon() override { ++abandoned; }
  [[nodiscard]] int fd() const override { return descriptor_.fd(); }

  std::list<Frame> arriving;  // An empty one has no memory: fuzzers make many ports.
  std::vector<Frame> sent;
  bool keep_sent = true;
  NetResult receive_result = NetResult::kDone;  // kDone, kFailed or kGone.
  NetResult send_result = NetResult::kDone;
  int receive_calls = 0;
  int abandoned = 0;

 private:
  FakeDescriptor descriptor_;
  bool busy_ = false;
};

class FakeNetBackend final : public NetBackend {
 public:
  static constexpr uint64_t kAllOffloads = kNetHostOffloadBits | kNetGuestOffloadBits;

  explicit FakeNetBackend(size_t pairs = 1, uint64_t offloads = kAllOffloads,
                          std::optional<uint16_t> mtu = 1500)
      : offloads_(offloads), mtu_(mtu) {
    ports_.reserve(pairs);
    for (size_t i = 0; i < pairs; ++i) ports_.push_back(std::make_unique<FakeNetPort>());
  }

  [[nodiscard]] size_t pairs() const override { return ports_.size(); }
  [[nodiscard]] NetPort& port(size_t pair) override { return *ports_[pair]; }
  [[nodiscard]] FakeNetPort& fake_port(size_t pair) { return *ports_[pair]; }
  [[nodiscard]] uint64_t offloads() const override { return offloads_; }
  [[nodiscard]] std::optional<uint16_t> mtu() const override { return mtu_; }
  absl::Status SetGuestOffloads(uint64_t offloads) override {
    guest_offloads = offloads;
    return status;
  }
  absl::Status SetActivePairs(size_t pairs) override {
    active_pairs = pairs;
    return status;
  }
  void WatchReturn(const std::function<void()>& callback) override { returned = callback; }

  uint64_t guest_offloads = ~uint64_t{0};
  size_t active_pairs = 0;
  std::function<void()> returned;
  absl::Status status;  // What setting anything returns.

 private:
  const uint64_t offloads_;
  const std::optional<uint16_t> mtu_;
  std::vector<std::unique_ptr<FakeNetPort>> ports_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_NET_FAKE_NET_BACKEND_H_
