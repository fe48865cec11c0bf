#include "devices/virtio/block/transfer.h"

#include <errno.h>
#include <limits.h>

#include <algorithm>

namespace touchstone {

absl::Span<const iovec> Transfer::slices() const {
  return absl::MakeConstSpan(operation_.slices).subspan(next_, IOV_MAX);
}

std::optional<int> Transfer::Advance(int64_t result) {
  if (result == -EINTR) return std::nullopt;
  if (result < 0) return static_cast<int>(-result);
  // The file became shorter than the disk.
  if (result == 0) return EIO;
  uint64_t done = std::min(static_cast<uint64_t>(result), operation_.size);
  operation_.offset += done;
  operation_.size -= done;
  if (operation_.size == 0) return 0;
  while (done > 0) {
    iovec& slice = operation_.slices[next_];
    const size_t piece = std::min<uint64_t>(done, slice.iov_len);
    slice.iov_base = static_cast<uint8_t*>(slice.iov_base) + piece;
    slice.iov_len -= piece;
    done -= piece;
    if (slice.iov_len == 0) ++next_;
  }
  return std::nullopt;
}

BlockOperation Transfer::TakeRest() && {
  operation_.slices.erase(operation_.slices.begin(),
                          operation_.slices.begin() + static_cast<ptrdiff_t>(next_));
  next_ = 0;
  return std::move(operation_);
}

}  // namespace touchstone
