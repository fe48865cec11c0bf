// The codec of vhost-user alone: streams of bytes and descriptors, cut anyhow, against a model that
// knows all of the stream. A message that is one comes out whole, with its own descriptors, and
// goes through once more as it is; the first one that is none ends the connection for good. No
// descriptor is lost.
//
// The first byte: bit 0, the requests are those of back ends. Then chunks, each a byte of how many
// descriptors come with it (modulo 12), two bytes of its length (modulo 600), and its bytes.

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/event_fd.h"
#include "base/fd_socket.h"
#include "base/log.h"
#include "devices/virtio/vhost_user/connection.h"
#include "devices/virtio/vhost_user/message.h"
#include "devices/virtio/vhost_user/message_table.h"
#include "devices/virtio/vhost_user/raw_peer.h"
#include "fuzz/support/fuzz_input.h"

namespace touchstone {
namespace {

constexpr int kMostChunks = 64;

const EventFd& Event() {
  static const auto& event = *new EventFd(EventFd::Create().value());
  return event;
}

// All that was sent, and what a reader of it must find next.
class Model {
 public:
  explicit Model(VhostUserTable table) : table_(table) {}

  void Sent(absl::Span<const uint8_t> bytes, size_t fds) {
    if (fds > 0) fds_.push_back({stream_.size(), fds});
    stream_.insert(stream_.end(), bytes.begin(), bytes.end());
  }

  // Compares what was received with what is next; false when nothing may follow.
  bool Check(const absl::StatusOr<std::optional<VhostUserMessage>>& received) {
    const size_t left = stream_.size() - read_;
    VhostUserHeader header;
    const bool has_header = left >= sizeof(header);
    if (has_header) memcpy(&header, stream_.data() + read_, sizeof(header));
    const VhostUserRow* const row = has_header ? RowOf(header) : nullptr;
    if (has_header && row == nullptr) return Ended(received);
    const size_t size = has_header ? sizeof(header) + header.size : sizeof(header);
    const size_t fds = FdsBefore(read_ + std::min(size, left));
    if (fds > kVhostUserMaxFds) return Ended(received);
    const bool complete = has_header && left >= size;
    const bool reply = has_header && (header.flags & kVhostUserReply) != 0;
    if (complete && fds > (reply ? row->max_reply_fds : row->max_fds)) return Ended(received);
    CHECK(received.ok());
    CHECK(received->has_value() == complete);
    if (!complete) return false;
    const VhostUserMessage& message = **received;
    CHECK(message.request == header.request && message.flags == header.flags);
    CHECK(message.fds.size() == fds && message.payload.size() == header.size);
    CHECK(std::equal(message.payload.begin(), message.payload.end(),
                     stream_.begin() + static_cast<ptrdiff_t>(read_ + sizeof(header))));
    read_ += size;
    fds_.erase(fds_.begin(), std::find_if(fds_.begin(), fds_.end(), [this](const auto& batch) {
                 return batch.first >= read_;
               }));
    return true;
  }
  [[nodiscard]] bool ended() const { return ended_; }

 private:
  // Null for a header that is none.
  [[nodiscard]] const VhostUserRow* RowOf(const VhostUserHeader& header) const {
    const auto row = std::find_if(table_.begin(), table_.end(), [&](const VhostUserRow& candidate) {
      return candidate.request == header.request;
    });
    if (row == table_.end() || (header.flags & 3) != 1 || header.flags > 15) return nullptr;
    const bool reply = (header.flags & 4) != 0;
    const uint32_t min = !reply ? row->min_size : row->has_reply ? row->min_reply_size : 8;
    const uint32_t max = !reply ? row->max_size : row->has_reply ? row->max_reply_size : 8;
    return header.size >= min && header.size <= max ? &*row : nullptr;
  }
  // Descriptors that come with bytes before `end`.
  [[nodiscard]] size_t FdsBefore(size_t end) const {
    size_t count = 0;
    for (const auto& [at, fds] : fds_) count += at < end ? fds : 0;
    return count;
  }
  bool Ended(const absl::StatusOr<std::optional<VhostUserMessage>>& received) {
    CHECK(absl::IsInvalidArgument(received.status()));
    ended_ = true;
    return false;
  }

  const VhostUserTable table_;
  std::vector<uint8_t> stream_;
  std::vector<std::pair<size_t, size_t>> fds_;  // With which byte, and how many.
  size_t read_ = 0;
  bool ended_ = false;
};

// The same message once more, by the sender.
void CheckRoundTrip(const VhostUserMessage& message, VhostUserTable table) {
  auto [ours, theirs] = FdSocket::CreatePair(FdSocket::Kind::kStream).value();
  const VhostUserConnection sender(std::move(ours).Release(), table);
  VhostUserConnection receiver(std::move(theirs).Release(), table);
  const std::vector<int> fds(message.fds.size(), Event().fd());
  CHECK(sender.Send(message.request, message.flags, message.payload, fds).ok());
  const absl::StatusOr<std::optional<VhostUserMessage>> again = receiver.Receive();
  CHECK(again.ok() && again->has_value());
  CHECK((*again)->request == message.request && (*again)->flags == message.flags);
  CHECK((*again)->payload == message.payload && (*again)->fds.size() == message.fds.size());
}

void Run(FuzzInput& input) {
  const VhostUserTable table = input.Bool() ? VhostUserBackendTable() : VhostUserFrontendTable();
  RawVhostUserPeer peer;
  VhostUserConnection connection(peer.TakeOther(), table);
  Model model(table);
  for (int i = 0; i < kMostChunks && !input.empty(); ++i) {
    const size_t fds = input.U8() % 12;
    const absl::Span<const uint8_t> bytes = input.Bytes(input.U16() % 600);
    if (bytes.empty()) continue;
    CHECK(peer.SendBytes(bytes, std::vector<int>(fds, Event().fd())));
    model.Sent(bytes, fds);
    while (true) {
      const absl::StatusOr<std::optional<VhostUserMessage>> received = connection.Receive();
      if (!model.Check(received)) break;
      CheckRoundTrip(**received, table);
    }
    if (!model.ended()) continue;
    CHECK(absl::IsInvalidArgument(connection.Receive().status()));
    return;
  }
  peer.Close();
  const absl::Status end = connection.Receive().status();
  CHECK(absl::IsFailedPrecondition(end) || absl::IsDataLoss(end));
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace touchstone;  // NOLINT
  Event();
  const int before = CountOpenFds();
  FuzzInput input(data, size);
  Run(input);
  CHECK(CountOpenFds() == before);
  return 0;
}
