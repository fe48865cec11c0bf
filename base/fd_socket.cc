#include "base/fd_socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/unix_socket.h"

namespace touchstone {
namespace {

constexpr int kBacklog = 16;

int TypeOf(FdSocket::Kind kind) {
  return (kind == FdSocket::Kind::kStream ? SOCK_STREAM : SOCK_SEQPACKET) | SOCK_CLOEXEC;
}

// The status of a failed send or receive; `what` names it.
absl::Status SocketError(int error, absl::string_view what) {
  switch (error) {
    case EAGAIN:
      return absl::UnavailableError(absl::StrCat(what, " would wait"));
    case EPIPE:
    case ECONNRESET:
      return absl::FailedPreconditionError(absl::StrCat(what, ": the peer is gone"));
    default: {
      absl::Status status = ErrnoStatus(error, what);
      // Unavailable is kept for calls that would wait.
      if (!absl::IsUnavailable(status)) return status;
      return absl::InternalError(status.message());
    }
  }
}

// Room for the control message of a full set of descriptors.
union Control {
  cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int) * FdSocket::kMaxFds)];
};

// Takes ownership of every descriptor that the kernel installed for `message`.
std::vector<ScopedFd> TakeFds(msghdr& message) {
  std::vector<ScopedFd> fds;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      fds.emplace_back(fd);
    }
  }
  return fds;
}

// True for a socket file whose listener is gone.
bool IsStale(const sockaddr_un& address, FdSocket::Kind kind) {
  struct stat status;
  if (lstat(address.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  const ScopedFd probe(socket(AF_UNIX, TypeOf(kind) | SOCK_NONBLOCK, 0));
  return connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 &&
         errno == ECONNREFUSED;
}

}  // namespace

absl::StatusOr<std::pair<FdSocket, FdSocket>> FdSocket::CreatePair(Kind kind) {
  int fds[2];
  if (socketpair(AF_UNIX, TypeOf(kind), 0, fds) != 0) return ErrnoStatus(errno, "socketpair");
  return std::make_pair(FdSocket(ScopedFd(fds[0])), FdSocket(ScopedFd(fds[1])));
}

absl::StatusOr<FdSocket> FdSocket::Connect(absl::string_view path, Kind kind) {
  ASSIGN_OR_RETURN(const sockaddr_un address, UnixAddress(path));
  ScopedFd fd(socket(AF_UNIX, TypeOf(kind), 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return ErrnoStatus(errno, absl::StrCat("connect to ", path));
  }
  return FdSocket(std::move(fd));
}

absl::Status FdSocket::Send(absl::Span<const uint8_t> bytes, absl::Span<const int> fds) const {
  if (fds.size() > kMaxFds) {
    return absl::InvalidArgumentError(
        absl::StrCat(fds.size(), " descriptors in one message, at most ", kMaxFds, " are sent"));
  }
  if (bytes.empty() && !fds.empty()) {
    return absl::InvalidArgumentError("descriptors are sent with at least one byte");
  }
  Control control{};
  size_t done = 0;
  do {
    iovec data{const_cast<uint8_t*>(bytes.data()) + done, bytes.size() - done};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    if (!fds.empty() && done == 0) {
      message.msg_control = control.bytes;
      message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
      cmsghdr* const header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
    }
    const ssize_t sent = sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
    if (sent >= 0) {
      done += static_cast<size_t>(sent);
    } else if (errno != EINTR) {
      absl::Status status = SocketError(errno, "send");
      if (done == 0) return status;
      return absl::DataLossError(
          absl::StrCat(status.message(), " after ", done, " of ", bytes.size(), " bytes"));
    }
  } while (done < bytes.size());
  return absl::OkStatus();
}

absl::StatusOr<size_t> FdSocket::Receive(absl::Span<uint8_t> bytes, std::vector<ScopedFd>* fds,
                                         size_t max_fds) const {
  if (fds != nullptr) fds->clear();
  Control control;
  iovec data{bytes.data(), bytes.size()};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof(control.bytes);
  ssize_t received;
  do {
    received = recvmsg(fd_.get(), &message, MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  if (received < 0) {
    if (errno == ECONNRESET) return 0;
    return SocketError(errno, "receive");
  }
  std::vector<ScopedFd> taken = TakeFds(message);
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    // More than kMaxFds of them, or this process can hold no more.
    return absl::DataLossError("receive: descriptors of the message were lost");
  }
  if ((message.msg_flags & MSG_TRUNC) != 0) {
    return absl::DataLossError(
        absl::StrCat("receive: message is larger than ", bytes.size(), " bytes"));
  }
  if (fds != nullptr) {
    if (taken.size() > max_fds) taken.resize(max_fds);
    *fds = std::move(taken);
  }
  return static_cast<size_t>(received);
}

absl::StatusOr<bool> FdSocket::ReceiveAll(absl::Span<uint8_t> bytes, std::vector<ScopedFd>* fds,
                                          size_t max_fds) const {
  if (fds != nullptr) fds->clear();
  size_t done = 0;
  while (done < bytes.size()) {
    std::vector<ScopedFd> more;
    const absl::StatusOr<size_t> size = Receive(bytes.subspan(done), &more, max_fds);
    if (!size.ok() && done == 0) return size.status();
    if (size.ok() && *size == 0 && done == 0) return false;
    if (!size.ok() || *size == 0) {
      return absl::DataLossError(
          absl::StrCat(size.ok() ? "receive: the peer is gone" : size.status().message(), " after ",
                       done, " of ", bytes.size(), " bytes"));
    }
    done += *size;
    if (fds == nullptr) continue;
    for (ScopedFd& fd : more) {
      if (fds->size() < max_fds) fds->push_back(std::move(fd));
    }
  }
  return true;
}

absl::Status FdSocket::SetTimeout(absl::Duration timeout) const {
  // Zero means no timeout to the kernel, so the shortest is a microsecond.
  const timeval value = timeout == absl::InfiniteDuration()
                            ? timeval{}
                            : absl::ToTimeval(std::max(timeout, absl::Microseconds(1)));
  for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    if (setsockopt(fd_.get(), SOL_SOCKET, option, &value, sizeof(value)) != 0) {
      return ErrnoStatus(errno, "setsockopt of a socket timeout");
    }
  }
  return absl::OkStatus();
}

void FdSocket::Shutdown() const { shutdown(fd_.get(), SHUT_RDWR); }

absl::StatusOr<FdListener> FdListener::Listen(absl::string_view path, FdSocket::Kind kind) {
  ASSIGN_OR_RETURN(const sockaddr_un address, UnixAddress(path));
  ScopedFd fd(socket(AF_UNIX, TypeOf(kind), 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  const auto bind_it = [&fd, &address] {
    return bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  };
  bool bound = bind_it();
  if (!bound && errno == EADDRINUSE) {
    if (!IsStale(address, kind)) {
      return absl::AlreadyExistsError(absl::StrCat("listen at ", path, ": it is in use"));
    }
    unlink(address.sun_path);
    bound = bind_it();
  }
  if (!bound) return ErrnoStatus(errno, absl::StrCat("bind to ", path));
  FdListener listener(std::move(fd), std::string(path));
  if (listen(listener.fd(), kBacklog) != 0) {
    return ErrnoStatus(errno, absl::StrCat("listen at ", path));
  }
  return listener;
}

FdListener& FdListener::operator=(FdListener&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

FdListener::~FdListener() {
  if (fd_.valid() && !path_.empty()) unlink(path_.c_str());
}

absl::StatusOr<FdSocket> FdListener::Accept() const {
  ScopedFd fd;
  do {
    fd.Reset(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  } while (!fd.valid() && errno == EINTR);
  if (!fd.valid()) return SocketError(errno, "accept");
  return FdSocket(std::move(fd));
}

}  // namespace touchstone
