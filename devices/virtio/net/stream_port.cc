#include "devices/virtio/net/stream_port.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/endian.h"
#include "base/status.h"

namespace touchstone {
namespace {

// Copies `from` into the buffers as far as they go, beginning `skip` bytes into them.
void Scatter(absl::Span<const iovec> buffers, size_t skip, absl::Span<const uint8_t> from) {
  for (const iovec& buffer : buffers) {
    if (from.empty()) return;
    const size_t skipped = std::min(skip, buffer.iov_len);
    skip -= skipped;
    const size_t count = std::min(buffer.iov_len - skipped, from.size());
    if (count == 0) continue;
    memcpy(static_cast<uint8_t*>(buffer.iov_base) + skipped, from.data(), count);
    from.remove_prefix(count);
  }
}

}  // namespace

StreamPort::StreamPort(ScopedFd socket, Lost lost)
    : lost_(std::move(lost)), socket_(std::move(socket)), read_ahead_(new uint8_t[kReadAhead]) {}

void StreamPort::Replace(ScopedFd socket) {
  previous_ = std::exchange(socket_, std::move(socket));
  open_ = true;
  begin_ = end_ = 0;
  MutexLock lock(send_mutex_);
  tail_.clear();
  tail_is_next_ = false;
}

NetResult StreamPort::Receive(absl::Span<const iovec> buffers, size_t& size) {
  while (open_) {
    const auto buffered = absl::MakeConstSpan(read_ahead_.get() + begin_, end_ - begin_);
    if (buffered.size() >= kLengthSize) {
      Be32 length;
      memcpy(&length, buffered.data(), sizeof(length));
      if (length < kEthernetHeader || length > kNetMaxFrame) {
        return Lose(absl::DataLossError(absl::StrCat("a frame of ", uint32_t{length}, " bytes")));
      }
      if (buffered.size() - kLengthSize >= length) {
        const NetHeader header;
        Scatter(buffers, 0, {reinterpret_cast<const uint8_t*>(&header), sizeof(header)});
        Scatter(buffers, sizeof(header), buffered.subspan(kLengthSize, length));
        size = sizeof(header) + length;
        begin_ += kLengthSize + length;
        return NetResult::kDone;
      }
    }
    if (const NetResult result = ReadMore(); result != NetResult::kDone) return result;
  }
  return NetResult::kGone;
}

NetResult StreamPort::ReadMore() {
  if (kReadAhead - begin_ < kLengthSize + kNetMaxFrame || begin_ == end_) {
    memmove(read_ahead_.get(), read_ahead_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  const ssize_t count = recv(fd(), read_ahead_.get() + end_, kReadAhead - end_, MSG_DONTWAIT);
  if (count < 0) return Failed("recv", errno);
  if (count == 0) return Lose(absl::UnavailableError("the other side hung up"));
  end_ += static_cast<size_t>(count);
  return NetResult::kDone;
}

NetResult StreamPort::Send(absl::Span<const iovec> frame) {
  if (!open_) return NetResult::kGone;
  MutexLock lock(send_mutex_);
  if (!tail_.empty()) {
    if (const NetResult result = SendTail(); result != NetResult::kDone) return result;
    if (std::exchange(tail_is_next_, false)) return NetResult::kDone;
  }
  Be32 length;
  vector_.assign(1, {.iov_base = &length, .iov_len = sizeof(length)});
  size_t size = 0;
  size_t skip = sizeof(NetHeader);
  for (const iovec& piece : frame) {
    const size_t skipped = std::min(skip, piece.iov_len);
    skip -= skipped;
    if (skipped == piece.iov_len) continue;
    vector_.push_back({.iov_base = static_cast<uint8_t*>(piece.iov_base) + skipped,
                       .iov_len = piece.iov_len - skipped});
    size += piece.iov_len - skipped;
  }
  length = static_cast<uint32_t>(size);

  size_t sent = 0;
  // Very many pieces are sent as one.
  if (vector_.size() <= IOV_MAX) {
    const msghdr message = {.msg_iov = vector_.data(), .msg_iovlen = vector_.size()};
    const ssize_t count = sendmsg(fd(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0) return Failed("sendmsg", errno);
    sent = static_cast<size_t>(count);
    if (sent == sizeof(length) + size) return NetResult::kDone;
  }
  // The stream has a part of the frame, so it has to get the rest, even if the driver takes the
  // frame back.
  tail_begin_ = 0;
  tail_is_next_ = true;
  for (const iovec& piece : vector_) {
    const size_t skipped = std::min(sent, piece.iov_len);
    sent -= skipped;
    const auto* const bytes = static_cast<const uint8_t*>(piece.iov_base);
    tail_.insert(tail_.end(), bytes + skipped, bytes + piece.iov_len);
  }
  const NetResult result = SendTail();
  if (result == NetResult::kDone) tail_is_next_ = false;
  return result;
}

NetResult StreamPort::SendTail() {
  while (tail_begin_ < tail_.size()) {
    const ssize_t count = send(fd(), tail_.data() + tail_begin_, tail_.size() - tail_begin_,
                               MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0) return Failed("send", errno);
    tail_begin_ += static_cast<size_t>(count);
  }
  tail_.clear();
  return NetResult::kDone;
}

void StreamPort::Abandon() {
  MutexLock lock(send_mutex_);
  tail_is_next_ = false;
}

NetResult StreamPort::Failed(const char* call, int error) {
  if (error == EAGAIN || error == EINTR) return NetResult::kAgain;
  return Lose(absl::UnavailableError(ErrnoStatus(error, call).message()));
}

NetResult StreamPort::Lose(const absl::Status& reason) {
  open_ = false;
  shutdown(fd(), SHUT_RDWR);
  lost_(reason);
  return NetResult::kGone;
}

}  // namespace touchstone
