#include "base/memory/mapped_file.h"

#include <errno.h>
#include <sys/mman.h>

#include "absl/strings/str_cat.h"
#include "base/checked_math.h"
#include "base/log.h"
#include "base/status.h"

namespace touchstone {
namespace {

constexpr uint64_t kPageSize = 4096;

}  // namespace

absl::StatusOr<MappedFile> MappedFile::Map(int fd, uint64_t offset, uint64_t size, Access access) {
  CHECK(size != 0 && IsAligned(offset, kPageSize) && IsAligned(size, kPageSize));
  const int protection = access == kWritable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* const host = mmap(nullptr, size, protection, MAP_SHARED, fd, static_cast<off_t>(offset));
  if (host == MAP_FAILED) {
    return ErrnoStatus(errno, absl::StrCat("mmap of ", size, " bytes at ", offset));
  }
  return MappedFile(host, size);
}

MappedFile::~MappedFile() {
  if (host_ != nullptr) munmap(host_, size_);
}

}  // namespace touchstone
