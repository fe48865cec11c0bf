// Memory that two processes share to say which pages of a guest are dirty: one writes bits
// (DirtyBitmap), the other takes them. Page n is bit n % 8 of byte n / 8.
//
//   ASSIGN_OR_RETURN(std::shared_ptr<const DirtyLog> log, DirtyLog::Map(fd.get(), 0, size));
//   const GuestMemory logged = memory.WithLog({.log = log});
//
// The one who made the file is not trusted: what is not all in the file is refused, and a file that
// is cut short later takes marks to nowhere (truncation_guard.h).
//
// Thread-safe: bits are accessed in atomic steps.

#ifndef TOUCHSTONE_BASE_MEMORY_DIRTY_LOG_H_
#define TOUCHSTONE_BASE_MEMORY_DIRTY_LOG_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "base/memory/truncation_guard.h"

namespace touchstone {

class DirtyLog {
 public:
  // Enough for addresses up to 2^45.
  static constexpr uint64_t kMaxBytes = uint64_t{1} << 30;

  // Maps `size` bytes of a file from `offset` on, a multiple of 4096. The descriptor is not needed
  // afterwards. InvalidArgument for what is no piece of a regular file, or is too long; the errno
  // of the host when it cannot be mapped.
  static absl::StatusOr<std::shared_ptr<const DirtyLog>> Map(int fd, uint64_t offset,
                                                             uint64_t size);
  // Bytes that a log needs for all pages below `end`; whole words of 8.
  static uint64_t BytesFor(uint64_t end);

  DirtyLog(const DirtyLog&) = delete;
  DirtyLog& operator=(const DirtyLog&) = delete;
  ~DirtyLog();

  [[nodiscard]] uint64_t pages() const { return pages_; }
  // The bits, for DirtyBitmap. Whole words, of which those of pages from pages() on are not ours.
  [[nodiscard]] uint64_t* words() const { return words_; }

 private:
  DirtyLog(uint64_t* words, uint64_t mapped, uint64_t pages, TruncationGuard guard)
      : words_(words), mapped_(mapped), pages_(pages), guard_(std::move(guard)) {}

  uint64_t* const words_;
  const uint64_t mapped_;  // Bytes.
  const uint64_t pages_;
  TruncationGuard guard_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_MEMORY_DIRTY_LOG_H_
