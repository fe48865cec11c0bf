// A kernel or initrd file: a borrowed descriptor, its size, and errors that name it.
//
//   ASSIGN_OR_RETURN(BootFile file, BootFile::Create(fd, "kernel", "/boot/vmlinuz"));
//   if (...) return file.Error("has no setup header");   // kernel /boot/vmlinuz has no setup
//   header
//
// Thread-compatible. The descriptor's offset is neither used nor moved.

#ifndef TOUCHSTONE_VMM_MACHINE_BOOT_BOOT_FILE_H_
#define TOUCHSTONE_VMM_MACHINE_BOOT_BOOT_FILE_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/memory/guest_memory.h"

namespace touchstone {

class BootFile {
 public:
  // `fd` stays open as long as the BootFile is used. InvalidArgument for what is no regular file
  // and for an empty one. `role` is "kernel" or "initrd"; control characters in `path` are escaped
  // in errors.
  static absl::StatusOr<BootFile> Create(int fd, absl::string_view role, absl::string_view path);

  [[nodiscard]] uint64_t size() const { return size_; }

  // Fills `destination` from `offset` on. DataLoss when the file ends before.
  absl::Status Read(uint64_t offset, absl::Span<uint8_t> destination) const;

  // Reads straight into guest memory.
  absl::Status Load(uint64_t offset, const GuestMemory& memory, GuestAddress address,
                    uint64_t size) const;

  // InvalidArgument: "ROLE PATH " and then `what`.
  [[nodiscard]] absl::Status Error(absl::string_view what) const;

 private:
  BootFile(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}

  int fd_;
  std::string name_;
  uint64_t size_ = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_BOOT_BOOT_FILE_H_
