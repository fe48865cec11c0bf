// The stream of frames that a peer of StreamPort sends, in pieces of any size: the port gives the
// same frames as a reader that has the whole stream at once, and ends where that one does. What it
// sends meanwhile is a stream of whole frames, whatever the peer leaves in the socket.
//
// Input: operations: an opcode byte and its operands.

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/endian.h"
#include "base/log.h"
#include "base/scoped_fd.h"
#include "devices/virtio/net/net_protocol.h"
#include "devices/virtio/net/stream_port.h"
#include "fuzz/support/fuzz_input.h"

namespace touchstone {
namespace {

constexpr size_t kMaxStream = 1 << 20;

// The frames of a stream, one after the other.
class Reference {
 public:
  void Append(absl::Span<const uint8_t> bytes) { stream_.append(bytes.begin(), bytes.end()); }

  // Nothing while there is no whole frame.
  std::optional<std::string> Next() {
    const std::optional<uint32_t> length = Length();
    if (!length.has_value() || bad() || stream_.size() - at_ - 4 < *length) return std::nullopt;
    std::string frame = stream_.substr(at_ + 4, *length);
    at_ += 4 + *length;
    return frame;
  }
  // What comes next is no frame.
  bool bad() const {
    const std::optional<uint32_t> length = Length();
    return length.has_value() && (*length < kEthernetHeader || *length > kNetMaxFrame);
  }
  bool at_end() const { return at_ == stream_.size(); }
  size_t size() const { return stream_.size(); }

 private:
  std::optional<uint32_t> Length() const {
    if (stream_.size() - at_ < 4) return std::nullopt;
    Be32 length;
    memcpy(&length, stream_.data() + at_, sizeof(length));
    return length;
  }

  std::string stream_;
  size_t at_ = 0;
};

class StreamFuzz {
 public:
  StreamFuzz() {
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    peer_.Reset(fds[1]);
    const int little = 1;  // Frames are sent in parts.
    CHECK(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)) == 0);
    port_.emplace(ScopedFd(fds[0]), [this](const absl::Status&) { ++losses_; });
  }

  void Run(FuzzInput input) {
    while (!input.empty()) {
      const uint8_t opcode = input.U8();
      switch (opcode % 8) {
        case 0:
          Write(input.Bytes(input.U8()));
          break;
        case 1: {  // A frame, perhaps a large one, and perhaps not all of it.
          const Be32 length = input.U32() % (kNetMaxFrame + 64);
          Write({reinterpret_cast<const uint8_t*>(&length), sizeof(length)});
          Write(std::string(input.U16() % 4 == 0 ? input.U16() : uint32_t{length}, '\x5A'));
          break;
        }
        case 2:
          Receive(input.U16());
          break;
        case 3:
          while (Receive(kNetMaxPacket)) {
          }
          break;
        case 4:
          Send(input.U16() % kNetMaxFrame);
          break;
        case 5:
          port_->Abandon();
          waits_ = 0;
          break;
        case 6:
          ReadSome(input.U16());
          break;
        default:
          if (opcode == 0xFF) peer_.Reset();
          break;
      }
    }
    while (Receive(kNetMaxPacket)) {
    }
    CHECK(losses_ <= 1);
    CHECK(losses_ == 1 || !expected_.bad());
    if (losses_ == 0) ReadSome(kMaxStream);
    CHECK(!sent_.bad());
  }

 private:
  void Write(absl::string_view bytes) {
    Write({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  }
  void Write(absl::Span<const uint8_t> bytes) {
    if (!peer_.valid() || bytes.empty() || expected_.size() > kMaxStream) return;
    const ssize_t count = send(peer_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count > 0) expected_.Append(bytes.first(static_cast<size_t>(count)));
  }

  // True when there was a frame.
  bool Receive(size_t room) {
    std::string buffer(room, '\0');
    const iovec pieces[] = {{.iov_base = buffer.data(), .iov_len = room / 3},
                            {.iov_base = buffer.data() + room / 3, .iov_len = room - room / 3}};
    size_t size = 0;
    const NetResult result = port_->Receive(pieces, size);
    if (result == NetResult::kGone) {
      CHECK(losses_ == 1);
      return false;
    }
    const std::optional<std::string> frame = expected_.Next();
    CHECK(frame.has_value() == (result == NetResult::kDone));
    if (!frame.has_value()) return false;
    CHECK(size == sizeof(NetHeader) + frame->size());
    const std::string whole = std::string(sizeof(NetHeader), '\0') + *frame;
    CHECK(memcmp(whole.data(), buffer.data(), std::min(room, whole.size())) == 0);
    return true;
  }

  // A frame that has to wait is sent again before any other, unless it is abandoned.
  void Send(size_t size) {
    if (waits_ == 0) waits_ = std::max<size_t>(size, kEthernetHeader);
    std::string frame(sizeof(NetHeader) + waits_, '\x33');
    const iovec pieces[] = {{.iov_base = frame.data(), .iov_len = 20},
                            {.iov_base = frame.data() + 20, .iov_len = frame.size() - 20}};
    if (port_->Send(pieces) != NetResult::kAgain) waits_ = 0;
  }

  // The peer reads what was sent: whole frames of this filling, but perhaps for the last.
  void ReadSome(size_t size) {
    if (!peer_.valid()) return;
    std::string buffer(size, '\0');
    const ssize_t count = read(peer_.get(), buffer.data(), buffer.size());
    if (count <= 0) return;
    buffer.resize(static_cast<size_t>(count));
    sent_.Append({reinterpret_cast<const uint8_t*>(buffer.data()), buffer.size()});
    while (const std::optional<std::string> frame = sent_.Next()) {
      CHECK(frame->find_first_not_of('\x33') == std::string::npos);
    }
    CHECK(!sent_.bad());
  }

  ScopedFd peer_;
  std::optional<StreamPort> port_;
  int losses_ = 0;
  size_t waits_ = 0;  // The size of the frame that waits; 0 when there is none.
  Reference expected_;
  Reference sent_;
};

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  touchstone::StreamFuzz().Run(touchstone::FuzzInput(data, size));
  return 0;
}
