// One bit per 4 KiB page: which pages were written since they were last collected.
//
// Thread-safe and lock-free: many writers mark, one collector takes. A writer stores its data first
// and marks after; a collector takes first and copies the pages after, so that every store is in
// the copy or marked again.

#ifndef TOUCHSTONE_BASE_MEMORY_DIRTY_BITMAP_H_
#define TOUCHSTONE_BASE_MEMORY_DIRTY_BITMAP_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace touchstone {

class DirtyBitmap {
 public:
  // For `size` bytes, all clean. Costs host memory only where pages get dirty.
  explicit DirtyBitmap(uint64_t size);

  // Marks the pages that [offset, offset + size) touches; what lies past the end is ignored.
  // preserve_most: does not cost its callers registers, which mostly have no bitmap.
  [[clang::preserve_most]] void Mark(uint64_t offset, uint64_t size);
  [[nodiscard]] bool IsDirty(uint64_t offset) const;

  // Returns the bitmap (bit n % 64 of word n / 64 is page n) and makes every page clean, each word
  // in one atomic step.
  std::vector<uint64_t> Take();

  [[nodiscard]] uint64_t pages() const { return pages_; }

 private:
  struct Unmap {
    size_t bytes;
    void operator()(uint64_t* words) const;
  };

  uint64_t pages_;
  std::unique_ptr<uint64_t[], Unmap> words_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_MEMORY_DIRTY_BITMAP_H_
