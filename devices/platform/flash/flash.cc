#include "devices/platform/flash/flash.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/read_file.h"
#include "base/status.h"

namespace touchstone {

absl::StatusOr<std::unique_ptr<Flash>> Flash::Open(const std::string& path, uint32_t block_size) {
  const auto error = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("--pflash: ", path, " ", what));
  };
  absl::StatusOr<ScopedFd> file = OpenFile(path, O_RDWR);
  if (!file.ok()) return Annotate(file.status(), "--pflash");
  struct stat status = {};
  if (fstat(file->get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return error("is not a regular file");
  }
  absl::StatusOr<std::vector<uint8_t>> contents = ReadFile(path, kLargest);
  if (!contents.ok()) return Annotate(contents.status(), "--pflash");
  if (contents->empty()) return error("is empty");
  if (block_size == 0 || contents->size() % block_size != 0) {
    return error(absl::StrCat("has ", contents->size(), " bytes, which are no whole blocks of ",
                              block_size));
  }
  return std::make_unique<Flash>(*std::move(file), *std::move(contents), block_size);
}

uint64_t Flash::size() const {
  MutexLock lock(mutex_);
  return contents_.size();
}

void Flash::Read(uint64_t offset, absl::Span<uint8_t> data) {
  MutexLock lock(mutex_);
  if (state_.mode != Mode::kArray) {
    std::fill(data.begin(), data.end(), state_.status);
  } else if (offset < contents_.size() && data.size() <= contents_.size() - offset) {
    std::copy_n(contents_.begin() + static_cast<ptrdiff_t>(offset), data.size(), data.begin());
  }
}

void Flash::Write(uint64_t offset, absl::Span<const uint8_t> data) {
  if (data.size() != 1) return;
  MutexLock lock(mutex_);
  if (offset >= contents_.size()) return;
  switch (state_.mode) {
    case Mode::kArray:
    case Mode::kStatus:
      return BeginCommand(data[0]);
    case Mode::kProgramming:
      state_.status = Store(offset, data) ? kReady : kReady | kProgramFailed;
      break;
    case Mode::kErasing:
      // CFI, basic command set: anything but the confirmation is an error of the sequence, which
      // both bits say.
      if (data[0] != kConfirm) {
        state_.status = kReady | kEraseFailed | kProgramFailed;
      } else {
        state_.status = Erase(offset) ? kReady : kReady | kEraseFailed;
      }
      break;
  }
  state_.mode = Mode::kStatus;
}

void Flash::BeginCommand(uint8_t command) {
  switch (command) {
    case kProgram:
      state_.mode = Mode::kProgramming;
      break;
    case kEraseBlock:
      state_.mode = Mode::kErasing;
      break;
    case kClearStatus:
      state_ = {};
      break;
    case kReadStatus:
      state_.mode = Mode::kStatus;
      break;
    case kReadArray:
      state_.mode = Mode::kArray;
      break;
    default:
      break;
  }
}

bool Flash::Store(uint64_t offset, absl::Span<const uint8_t> bytes) {
  const auto place = contents_.begin() + static_cast<ptrdiff_t>(offset);
  if (std::equal(bytes.begin(), bytes.end(), place)) return true;
  const ssize_t written =
      pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
  if (written != static_cast<ssize_t>(bytes.size())) {
    LOG(kError, "flash", "write of %d bytes at %d: %s", bytes.size(), offset,
        written < 0 ? ErrnoStatus(errno, "pwrite").ToString() : "the file is full");
    return false;
  }
  std::copy(bytes.begin(), bytes.end(), place);
  return true;
}

bool Flash::Erase(uint64_t offset) {
  return Store(offset - offset % block_size_, std::vector<uint8_t>(block_size_, 0xFF));
}

Flash::State Flash::Save() const {
  MutexLock lock(mutex_);
  return state_;
}

absl::Status Flash::Restore(const State& state) {
  constexpr uint8_t kStatusBits = kReady | kEraseFailed | kProgramFailed;
  if (state.mode > Mode::kErasing || (state.status & ~kStatusBits) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("flash: there is no mode ",
                                                   static_cast<int>(state.mode), " with status 0x",
                                                   absl::Hex(state.status)));
  }
  MutexLock lock(mutex_);
  state_ = state;
  return absl::OkStatus();
}

}  // namespace touchstone
