// A read or write on its way: what is left of it after each system call.
//
// The host may transfer less than it was asked for, at any point in the buffers, and takes no more
// than IOV_MAX of them at once.
//
//   Transfer transfer(std::move(operation));
//   do {
//     result = preadv(fd, transfer.slices(), transfer.offset());   // -errno when it fails.
//   } while (!transfer.Advance(result).has_value());
//
// Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BLOCK_TRANSFER_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BLOCK_TRANSFER_H_

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/types/span.h"
#include "devices/virtio/block/block_io.h"

namespace touchstone {

class Transfer {
 public:
  Transfer() = default;
  // REQUIRES: the operation reads or writes, and is not empty.
  explicit Transfer(BlockOperation operation) : operation_(std::move(operation)) {}

  // Begins anew, with another operation.
  void Start(BlockOperation&& operation) {
    operation_ = std::move(operation);
    next_ = 0;
  }

  // What to transfer next, and where in the file.
  [[nodiscard]] absl::Span<const iovec> slices() const;
  [[nodiscard]] uint64_t offset() const { return operation_.offset; }
  [[nodiscard]] bool is_read() const { return operation_.kind == BlockOperation::Kind::kRead; }
  [[nodiscard]] const BlockOperation& operation() const { return operation_; }

  // Takes what a system call returned, a number of bytes or -errno. The error of the operation, 0
  // for none, when it is done.
  std::optional<int> Advance(int64_t result);

  // What is left, as an operation.
  [[nodiscard]] BlockOperation TakeRest() &&;

 private:
  BlockOperation operation_;  // `offset`, `size` and the slices from next_ on: what is left.
  size_t next_ = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BLOCK_TRANSFER_H_
