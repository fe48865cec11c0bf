#include "devices/platform/serial/fd_sink.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "base/log.h"

namespace touchstone {
namespace {

bool IsSocket(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

}  // namespace

FdSink::FdSink(ScopedFd fd, std::string name)
    : fd_(std::move(fd)), is_socket_(IsSocket(fd_.get())), name_(std::move(name)) {}

ByteSink::Result FdSink::Write(absl::Span<const uint8_t> bytes) {
  const ssize_t count =
      is_socket_ ? send(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                 : write(fd_.get(), bytes.data(), bytes.size());
  if (count > 0) return {static_cast<size_t>(count), State::kOpen};
  switch (count == 0 ? EAGAIN : errno) {
    case EAGAIN:
    case EINTR:
      return {0, State::kFull};
    case ENOSPC:
    case EDQUOT:
      LOG(kError, "serial", "write to %s: %s", name_, strerror(errno));
      return {0, State::kAbsent};
    default:
      LOG(kError, "serial", "write to %s: %s; its output is dropped from here on", name_,
          strerror(errno));
      return {0, State::kGone};
  }
}

}  // namespace touchstone
