#include "integration/virtio/host_socket.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/log.h"
#include "base/status.h"

namespace touchstone {
namespace {

int Milliseconds(absl::Duration wait) {
  return static_cast<int>(absl::ToInt64Milliseconds(std::max(wait, absl::ZeroDuration())));
}

}  // namespace

HostSocket::HostSocket(const std::string& path)
    : listener_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  CHECK(path.size() < sizeof(address.sun_path));
  memcpy(address.sun_path, path.data(), path.size());
  unlink(path.c_str());
  CHECK(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  CHECK(listen(listener_.get(), 1) == 0);
}

absl::Status HostSocket::Accept(absl::Duration timeout) {
  pollfd ready = {listener_.get(), POLLIN, 0};
  if (poll(&ready, 1, Milliseconds(timeout)) <= 0) {
    return absl::DeadlineExceededError("nobody connects");
  }
  peer_.Reset(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  return peer_.valid() ? absl::OkStatus() : ErrnoStatus(errno, "accept4");
}

absl::StatusOr<std::string> HostSocket::Exchange(absl::string_view text, uint64_t size,
                                                 absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  std::string received;
  received.reserve(size);
  std::array<char, 65536> buffer;
  while (!text.empty() || received.size() < size) {
    const int events = POLLIN | (text.empty() ? 0 : POLLOUT);
    pollfd ready = {peer_.get(), static_cast<int16_t>(events), 0};
    if (poll(&ready, 1, Milliseconds(deadline - absl::Now())) <= 0) {
      return absl::DeadlineExceededError(absl::StrCat("received ", received.size(), " of ", size,
                                                      " bytes, with ", text.size(), " to send"));
    }
    if ((ready.revents & POLLIN) != 0) {
      const ssize_t got = recv(peer_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got == 0) return absl::UnavailableError("the machine has closed the connection");
      received.append(buffer.data(), static_cast<size_t>(std::max<ssize_t>(got, 0)));
    }
    if ((ready.revents & POLLOUT) != 0) {
      const ssize_t put = send(peer_.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      text.remove_prefix(static_cast<size_t>(std::max<ssize_t>(put, 0)));
    }
  }
  return received;
}

absl::StatusOr<std::string> HostSocket::Converse(absl::string_view text, absl::string_view answer,
                                                 absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  ASSIGN_OR_RETURN(std::string received, Exchange(text, 0, timeout));
  while (!absl::StrContains(received, answer)) {
    const absl::StatusOr<std::string> more = Exchange("", 1, deadline - absl::Now());
    if (!more.ok()) {
      return Annotate(more.status(),
                      absl::StrCat("no '", answer, "' in '", absl::CEscape(received), "'"));
    }
    received += *more;
  }
  return received;
}

uint64_t HostSocket::Flood(uint64_t limit, absl::Duration patience) {
  const std::array<char, 65536> zeros = {};
  uint64_t sent = 0;
  pollfd ready = {peer_.get(), POLLOUT, 0};
  while (sent < limit && poll(&ready, 1, Milliseconds(patience)) > 0) {
    const ssize_t put = send(peer_.get(), zeros.data(), zeros.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put <= 0) break;
    sent += static_cast<uint64_t>(put);
  }
  return sent;
}

}  // namespace touchstone
