#include "vmm/machine/boot/boot_file.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/checked_math.h"
#include "base/status.h"

namespace touchstone {

absl::StatusOr<BootFile> BootFile::Create(int fd, absl::string_view role, absl::string_view path) {
  BootFile file(fd, absl::StrCat(role, " ", absl::Utf8SafeCEscape(path)));
  struct stat status = {};
  if (fstat(fd, &status) != 0) return ErrnoStatus(errno, absl::StrCat("fstat of ", file.name_));
  if (S_ISDIR(status.st_mode)) return file.Error("is a directory");
  if (!S_ISREG(status.st_mode)) return file.Error("is not a regular file");
  if (status.st_size <= 0) return file.Error("is empty");
  file.size_ = static_cast<uint64_t>(status.st_size);
  return file;
}

absl::Status BootFile::Read(uint64_t offset, absl::Span<uint8_t> destination) const {
  if (!FitsWithin<uint64_t>(offset, destination.size(), size_)) {
    return absl::DataLossError(absl::StrCat(name_, " is truncated: it has ", size_,
                                            " bytes and its headers point to ", offset, " + ",
                                            destination.size()));
  }
  while (!destination.empty()) {
    const ssize_t count =
        pread(fd_, destination.data(), destination.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(errno, absl::StrCat("read of ", name_));
    if (count == 0) return absl::DataLossError(absl::StrCat(name_, " shrank while it was read"));
    destination.remove_prefix(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
  return absl::OkStatus();
}

absl::Status BootFile::Load(uint64_t offset, const GuestMemory& memory, GuestAddress address,
                            uint64_t size) const {
  return Annotate(memory.ReadFromFd(fd_, offset, address, size), name_);
}

absl::Status BootFile::Error(absl::string_view what) const {
  return absl::InvalidArgumentError(absl::StrCat(name_, " ", what));
}

}  // namespace touchstone
