// A piece of a file, mapped to be shown to a guest as memory.
//
//   ASSIGN_OR_RETURN(MappedFile file, MappedFile::Map(fd.get(), 0, 4096, MappedFile::kWritable));
//   vm.SetMemory(slot, {.start = address, .size = file.size(), .host = file.host()});
//
// The file may be cut shorter under the mapping at any time, and an access behind its end is
// SIGBUS. Hence this process never touches the bytes: only the hypervisor does, for whom it is an
// error of the run.
//
// Thread-compatible.

#ifndef TOUCHSTONE_BASE_MEMORY_MAPPED_FILE_H_
#define TOUCHSTONE_BASE_MEMORY_MAPPED_FILE_H_

#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"

namespace touchstone {

class MappedFile {
 public:
  enum Access { kReadOnly, kWritable };

  // Maps [offset, offset + size), shared with the file. The descriptor is not needed afterwards.
  // REQUIRES: `size` is not 0; both are multiples of 4 KiB.
  static absl::StatusOr<MappedFile> Map(int fd, uint64_t offset, uint64_t size, Access access);

  MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(host_, other.host_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~MappedFile();

  // For hypervisors' memory slots, never to be dereferenced.
  [[nodiscard]] void* host() const { return host_; }
  [[nodiscard]] uint64_t size() const { return size_; }

 private:
  MappedFile(void* host, uint64_t size) : host_(host), size_(size) {}

  void* host_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_MEMORY_MAPPED_FILE_H_
