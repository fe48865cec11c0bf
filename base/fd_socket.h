// Unix sockets that carry bytes and descriptors (SCM_RIGHTS): vhost-user, jailed devices, control.
//
//   ASSIGN_OR_RETURN(auto pair, FdSocket::CreatePair(FdSocket::Kind::kSeqPacket));
//   RETURN_IF_ERROR(pair.first.Send(request, {event.fd()}));
//   std::vector<ScopedFd> fds;
//   ASSIGN_OR_RETURN(size_t size, pair.second.Receive(absl::MakeSpan(reply), &fds));
//
// The peer is not trusted: it can make a call fail, never leak a descriptor into this process nor
// raise SIGPIPE. Whether a call waits is a matter of the socket: it does unless O_NONBLOCK is set,
// and no longer than SetTimeout() says.
//
// Errors: Unavailable when the call would wait (or did, for the timeout); FailedPrecondition when
// the peer is gone; DataLoss when part of a message is lost, after which a stream is of no more
// use.
//
// Thread-compatible; one thread may send while another receives.

#ifndef TOUCHSTONE_BASE_FD_SOCKET_H_
#define TOUCHSTONE_BASE_FD_SOCKET_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/scoped_fd.h"

namespace touchstone {

class FdSocket {
 public:
  enum class Kind {
    kStream,     // bytes; descriptors come with the first byte they were sent with
    kSeqPacket,  // messages
  };

  // The most descriptors of one message.
  static constexpr size_t kMaxFds = 32;

  // Two connected sockets, close-on-exec.
  static absl::StatusOr<std::pair<FdSocket, FdSocket>> CreatePair(Kind kind);
  static absl::StatusOr<FdSocket> Connect(absl::string_view path, Kind kind);

  // Takes a connected socket that came from elsewhere.
  explicit FdSocket(ScopedFd fd) : fd_(std::move(fd)) {}

  // Sends all of `bytes` and, with them, duplicates of `fds`. InvalidArgument for more than kMaxFds
  // descriptors, or descriptors without a byte.
  absl::Status Send(absl::Span<const uint8_t> bytes, absl::Span<const int> fds = {}) const;

  // Receives one message, or what a stream holds, at most `bytes.size()`. Returns its size, 0 when
  // the peer is gone (an empty message looks the same). Descriptors that came along, at most
  // `max_fds`, close-on-exec, replace those in `*fds`; surplus ones are closed, all of them when
  // `fds` is null. DataLoss for a message that is larger than `bytes` or has more than kMaxFds
  // descriptors; it is dropped and its descriptors are closed.
  absl::StatusOr<size_t> Receive(absl::Span<uint8_t> bytes, std::vector<ScopedFd>* fds = nullptr,
                                 size_t max_fds = kMaxFds) const;

  // For streams: receives exactly `bytes.size()` bytes, however they were cut, and the descriptors
  // that came with any of them. Returns false when the peer is gone before the first byte, DataLoss
  // when it goes, or a wait times out, before the last.
  absl::StatusOr<bool> ReceiveAll(absl::Span<uint8_t> bytes, std::vector<ScopedFd>* fds = nullptr,
                                  size_t max_fds = kMaxFds) const;

  // How long one send or receive call waits; InfiniteDuration, the default, for ever.
  absl::Status SetTimeout(absl::Duration timeout) const;

  // Ends the connection for both sides and wakes threads that wait on it.
  void Shutdown() const;

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] bool valid() const { return fd_.valid(); }
  [[nodiscard]] ScopedFd Release() && { return std::move(fd_); }

 private:
  ScopedFd fd_;
};

// A listening unix socket. Removes its path when destroyed.
class FdListener {
 public:
  // Listens at `path`. A socket file there that nobody listens on any more is replaced;
  // AlreadyExists for anything else that is there.
  static absl::StatusOr<FdListener> Listen(absl::string_view path, FdSocket::Kind kind);

  // Takes a listening socket that came from elsewhere, and no path.
  explicit FdListener(ScopedFd fd) : FdListener(std::move(fd), std::string()) {}
  FdListener(FdListener&& other) noexcept
      : fd_(std::move(other.fd_)), path_(std::exchange(other.path_, {})) {}
  FdListener& operator=(FdListener&& other) noexcept;
  ~FdListener();

  [[nodiscard]] absl::StatusOr<FdSocket> Accept() const;
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  FdListener(ScopedFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  ScopedFd fd_;
  std::string path_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_FD_SOCKET_H_
