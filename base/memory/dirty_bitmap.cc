#include "base/memory/dirty_bitmap.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/base/optimization.h"
#include "base/log.h"

namespace touchstone {
namespace {

constexpr int kPageShift = 12;

uint64_t* MapWords(size_t bytes) {
  if (bytes == 0) return nullptr;
  void* const words = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(words != MAP_FAILED);
  return static_cast<uint64_t*>(words);
}

// Rounded up without overflow.
uint64_t PagesOf(uint64_t size) { return (size >> kPageShift) + ((size & 4095) != 0 ? 1 : 0); }

size_t WordsOf(uint64_t pages) { return pages / 64 + (pages % 64 != 0 ? 1 : 0); }

// Of the pages from `first` to `last`, those of this word.
uint64_t BitsOf(uint64_t word, uint64_t first, uint64_t last) {
  uint64_t bits = ~uint64_t{0};
  if (word == first / 64) bits &= ~uint64_t{0} << (first % 64);
  if (word == last / 64) bits &= ~uint64_t{0} >> (63 - last % 64);
  return bits;
}

}  // namespace

void DirtyBitmap::Unmap::operator()(uint64_t* words) const { munmap(words, bytes); }

DirtyBitmap::DirtyBitmap(uint64_t size)
    : pages_(PagesOf(size)),
      words_(MapWords(WordsOf(pages_) * sizeof(uint64_t))),
      own_(words_, Unmap{WordsOf(pages_) * sizeof(uint64_t)}) {}

DirtyBitmap::DirtyBitmap(DirtyMarks marks, uint64_t start)
    : base_(start + marks.shift),
      pages_(marks.log->pages()),
      words_(marks.log->words()),
      marks_(std::move(marks)) {}

void DirtyBitmap::Mark(uint64_t offset, uint64_t size) {
  if (size == 0) return;
  offset += base_;
  const uint64_t first = offset >> kPageShift;
  if (first >= pages_) return;
  const uint64_t last_byte = offset + size - 1 < offset ? UINT64_MAX : offset + size - 1;
  const uint64_t last = std::min(last_byte >> kPageShift, pages_ - 1);
  if (ABSL_PREDICT_FALSE(marks_.changed != nullptr)) return MarkAndTell(first, last);
  for (uint64_t word = first / 64; word <= last / 64; ++word) {
    const uint64_t bits = BitsOf(word, first, last);
    // Release: the data was stored before. Always a read-modify-write, also when the bit is set
    // already: a plain look at it could pass the data store and miss a collector between the two.
    std::atomic_ref<uint64_t>(words_[word]).fetch_or(bits, std::memory_order_release);
  }
}

void DirtyBitmap::MarkAndTell(uint64_t first, uint64_t last) {
  bool news = false;
  for (uint64_t word = first / 64; word <= last / 64; ++word) {
    const uint64_t bits = BitsOf(word, first, last);
    // As in Mark.
    const uint64_t before =
        std::atomic_ref<uint64_t>(words_[word]).fetch_or(bits, std::memory_order_release);
    news |= (bits & ~before) != 0;
  }
  if (news) marks_.changed->Signal();
}

bool DirtyBitmap::IsDirty(uint64_t offset) const {
  offset += base_;
  const uint64_t page = offset >> kPageShift;
  if (page >= pages_) return false;
  // Acquire: whoever sees the mark sees the data.
  const uint64_t bits =
      std::atomic_ref<uint64_t>(words_[page / 64]).load(std::memory_order_acquire);
  return ((bits >> (page % 64)) & 1) != 0;
}

std::vector<uint64_t> DirtyBitmap::Take() {
  std::vector<uint64_t> taken(WordsOf(pages_));
  for (size_t i = 0; i < taken.size(); ++i) {
    std::atomic_ref<uint64_t> word(words_[i]);
    // Relaxed: only a hint that spares clean words (and their host pages) the exchange.
    if (word.load(std::memory_order_relaxed) == 0) continue;
    taken[i] = word.exchange(0, std::memory_order_acquire);  // pairs with Mark
  }
  return taken;
}

}  // namespace touchstone
