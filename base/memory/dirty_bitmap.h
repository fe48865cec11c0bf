// One bit per 4 KiB page: which pages were written since they were last collected.
//
// Thread-safe and lock-free: many writers mark, one collector takes. A writer stores its data first
// and marks after; a collector takes first and copies the pages after, so that every store is in
// the copy or marked again.
//
// The bits are the bitmap's own, or a piece of a log that another process collects (dirty_log.h).

#ifndef TOUCHSTONE_BASE_MEMORY_DIRTY_BITMAP_H_
#define TOUCHSTONE_BASE_MEMORY_DIRTY_BITMAP_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/event_fd.h"
#include "base/memory/dirty_log.h"

namespace touchstone {

// Where the marks of a view of memory go.
struct DirtyMarks {
  std::shared_ptr<const DirtyLog> log;
  // Signalled for each page that gets dirty; may be null. Descriptors in it block nobody.
  std::shared_ptr<const EventFd> changed = nullptr;
  // Added to addresses, modulo 2^64: page n of the log is at address 4096 * n - shift.
  uint64_t shift = 0;
};

class DirtyBitmap {
 public:
  // For `size` bytes, all clean. Costs host memory only where pages get dirty.
  explicit DirtyBitmap(uint64_t size);
  // For memory at address `start`; marks beyond the end of the log are ignored.
  DirtyBitmap(DirtyMarks marks, uint64_t start);

  // Marks the pages that [offset, offset + size) touches; what lies past the end is ignored.
  // preserve_most: does not cost its callers registers, which mostly have no bitmap.
  [[clang::preserve_most]] void Mark(uint64_t offset, uint64_t size);
  [[nodiscard]] bool IsDirty(uint64_t offset) const;

  // Returns the bitmap (bit n % 64 of word n / 64 is page n) and makes every page clean, each word
  // in one atomic step. Of a log: all of it, from its first page on.
  std::vector<uint64_t> Take();

  // Of a log: all of it.
  [[nodiscard]] uint64_t pages() const { return pages_; }

 private:
  struct Unmap {
    size_t bytes;
    void operator()(uint64_t* words) const;
  };

  void MarkAndTell(uint64_t first, uint64_t last);

  uint64_t base_ = 0;  // Added to offsets.
  uint64_t pages_;
  uint64_t* words_;
  std::unique_ptr<uint64_t[], Unmap> own_;
  const DirtyMarks marks_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_MEMORY_DIRTY_BITMAP_H_
