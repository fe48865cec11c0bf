// Pages of a file in place of private guest memory: they are read when somebody first touches them,
// shared with all others who have the file mapped, and copied when written. The file never changes
// through them.
//
//   ASSIGN_OR_RETURN(auto pages, PrivateFilePages::Map(memory, memory.regions()[0], file.get(),
//                                                      {{.offset = 0, .size = 4096}}));
//
// A file that is cut short meanwhile reads as zeros from there to the end of the region
// (truncation_guard.h), for this process. A guest that touches what is missing is an error of its
// vCPU's run.
//
// Ownership: keeps the memory mapped; the descriptor is not needed afterwards. Thread-compatible.

#ifndef TOUCHSTONE_BASE_MEMORY_PRIVATE_FILE_PAGES_H_
#define TOUCHSTONE_BASE_MEMORY_PRIVATE_FILE_PAGES_H_

#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/memory/guest_memory.h"
#include "base/memory/truncation_guard.h"

namespace touchstone {

class PrivateFilePages {
 public:
  // All are multiples of kGuestPageSize.
  struct Extent {
    uint64_t offset = 0;  // In the region.
    uint64_t size = 0;
    uint64_t file_offset = 0;
  };

  // `region` is one of `memory`, and anonymous. What is there is lost; nobody else uses these pages
  // at this time. InvalidArgument for an extent that is empty, not of whole pages or not all in the
  // region, else the call's errno.
  static absl::StatusOr<PrivateFilePages> Map(const GuestMemory& memory,
                                              const GuestMemory::Region& region, int fd,
                                              absl::Span<const Extent> extents);

  PrivateFilePages(PrivateFilePages&& other) noexcept = default;
  PrivateFilePages& operator=(PrivateFilePages&& other) noexcept = default;

  // Whether a page was missed.
  [[nodiscard]] bool truncated() const { return guard_.truncated(); }

  // Whether there may be pages of a file at `host`: what is forgotten there (MADV_DONTNEED) is not
  // zeros but the file's again. Thread-safe.
  static bool MayBeAt(const void* host);

 private:
  // Keeps a region known to MayBeAt.
  class Entry {
   public:
    explicit Entry(const GuestMemory::Region& region);
    Entry(Entry&& other) noexcept : host_(std::exchange(other.host_, nullptr)) {}
    Entry& operator=(Entry&& other) noexcept {
      std::swap(host_, other.host_);
      return *this;
    }
    ~Entry();

   private:
    const uint8_t* host_;
  };

  PrivateFilePages(GuestMemory memory, const GuestMemory::Region& region, TruncationGuard guard)
      : memory_(std::move(memory)), entry_(region), guard_(std::move(guard)) {}

  GuestMemory memory_;
  Entry entry_;
  TruncationGuard guard_;  // Goes before the memory does.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_MEMORY_PRIVATE_FILE_PAGES_H_
