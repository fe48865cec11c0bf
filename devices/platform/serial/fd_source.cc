#include "devices/platform/serial/fd_source.h"

#include <errno.h>
#include <unistd.h>

namespace touchstone {

ByteSource::Result FdSource::Read(absl::Span<uint8_t> bytes) {
  const ssize_t count = read(fd_.get(), bytes.data(), bytes.size());
  if (count > 0) return {static_cast<size_t>(count), State::kOpen};
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return {0, State::kOpen};
  return {0, State::kGone};
}

}  // namespace touchstone
