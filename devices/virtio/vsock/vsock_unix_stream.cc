#include "devices/virtio/vsock/vsock_unix_stream.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>

#include "base/log.h"
#include "base/status.h"
#include "devices/virtio/vsock/connect_line.h"

namespace touchstone {
namespace {

using Result = VsockStream::Result;

msghdr MessageOf(absl::Span<const iovec> slices) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(slices.data());
  message.msg_iovlen = std::min<size_t>(slices.size(), IOV_MAX);
  return message;
}

Result ResultOf(ssize_t size, Result::Kind zero) {
  if (size > 0) return {Result::Kind::kDone, static_cast<size_t>(size)};
  if (size == 0) return {zero, 0};
  return {errno == EAGAIN ? Result::Kind::kWait : Result::Kind::kError, 0};
}

}  // namespace

void VsockUnixStream::Bind(VsockStreamSink& sink, uint64_t id) {
  sink_ = &sink;
  id_ = id;
}

void VsockUnixStream::WatchReadable(bool watch) {
  readable_.wanted = watch;
  if (!watch || readable_.watch.active()) return;
  readable_.watch = loop_.OnReadable(socket_.get(), [this] {
    if (sink_ == nullptr) return;
    if (readable_.wanted) {
      sink_->StreamReadable(id_);  // May destroy this stream.
    } else {
      readable_.watch.Reset();
    }
  });
}

void VsockUnixStream::WatchWritable(bool watch) {
  writable_.wanted = watch;
  if (!watch || writable_.watch.active()) return;
  writable_.watch = loop_.OnWritable(socket_.get(), [this] {
    if (sink_ == nullptr) return;
    if (writable_.wanted) {
      sink_->StreamWritable(id_);  // May destroy this stream.
    } else {
      writable_.watch.Reset();
    }
  });
}

Result VsockUnixStream::Read(absl::Span<const iovec> slices) {
  msghdr message = MessageOf(slices);
  ssize_t size;
  do {
    size = recvmsg(socket_.get(), &message, MSG_DONTWAIT);
  } while (size < 0 && errno == EINTR);
  return ResultOf(size, Result::Kind::kEnd);
}

Result VsockUnixStream::Write(absl::Span<const iovec> slices) {
  const msghdr message = MessageOf(slices);
  ssize_t size;
  do {
    size = sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (size < 0 && errno == EINTR);
  return ResultOf(size, Result::Kind::kWait);
}

void VsockUnixStream::ShutdownWrite() { shutdown(socket_.get(), SHUT_WR); }

void VsockUnixStream::ShutdownRead() { shutdown(socket_.get(), SHUT_RD); }

bool VsockUnixStream::HostClosed() {
  pollfd polled = {.fd = socket_.get(), .events = 0, .revents = 0};
  return poll(&polled, 1, 0) == 1 && (polled.revents & (POLLHUP | POLLERR)) != 0;
}

absl::Status VsockUnixStream::Accepted(uint32_t host_port) {
  if (opener_ == Opener::kGuest) return absl::OkStatus();
  const std::string line = AcceptedLine(host_port);
  const ssize_t sent = send(socket_.get(), line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  // The first bytes on a fresh socket: there is room for them, or nobody is there.
  if (sent < 0) return ErrnoStatus(errno, "send");
  if (static_cast<size_t>(sent) != line.size()) return absl::DataLossError("send of a part");
  return absl::OkStatus();
}

}  // namespace touchstone
