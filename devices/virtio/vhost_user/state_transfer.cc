#include "devices/virtio/vhost_user/state_transfer.h"

#include <errno.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "devices/virtio/vhost_user/message.h"
#include "devices/virtio/vhost_user/peer_fd.h"

namespace touchstone {
void VhostUserStateTransfer::GiveUp() {
  End(absl::FailedPreconditionError("the transfer was given up"));
}

absl::Status VhostUserStateTransfer::Begin(uint32_t direction, uint32_t phase, ScopedFd fd) {
  GiveUp();
  if (direction > kVhostUserStateLoad || phase != kVhostUserPhaseStopped) {
    return absl::InvalidArgumentError(
        absl::StrCat("state of direction ", direction, " in phase ", phase));
  }
  RETURN_IF_ERROR(SetNonBlocking(fd.get()));
  loading_ = direction == kVhostUserStateLoad;
  state_.clear();
  written_ = 0;
  if (!loading_) {
    ASSIGN_OR_RETURN(state_, device_.Save());
  }
  result_ = absl::FailedPreconditionError("not all of the state was transferred");
  fd_ = std::move(fd);
  if (loading_) {
    watch_ = loop_.OnReadable(fd_.get(), [this] { Read(); });
  } else {
    watch_ = loop_.OnWritable(fd_.get(), [this] { Write(); });
    Write();
  }
  return absl::OkStatus();
}

absl::Status VhostUserStateTransfer::Check() {
  if (fd_.valid()) loading_ ? Read() : Write();
  if (fd_.valid()) End(result_);
  state_.clear();
  return std::exchange(result_, absl::FailedPreconditionError("no state was transferred"));
}

void VhostUserStateTransfer::Write() {
  while (written_ < state_.size()) {
    const ssize_t written =
        WriteQuietly(fd_.get(), state_.data() + written_, state_.size() - written_);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) return;
    if (written <= 0) return End(ErrnoStatus(errno, "write of the state"));
    written_ += static_cast<size_t>(written);
  }
  End(absl::OkStatus());
}

void VhostUserStateTransfer::Read() {
  std::array<char, 64 << 10> bytes;
  while (true) {
    const ssize_t count = read(fd_.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return;
    if (count < 0) return End(ErrnoStatus(errno, "read of the state"));
    if (count == 0) return End(device_.Restore(state_));
    if (state_.size() + static_cast<size_t>(count) > kVhostUserMaxState) {
      return End(absl::InvalidArgumentError(
          absl::StrCat("a state of more than ", kVhostUserMaxState, " bytes")));
    }
    state_.append(bytes.data(), static_cast<size_t>(count));
  }
}

void VhostUserStateTransfer::End(absl::Status status) {
  watch_.Reset();
  fd_.Reset();
  result_ = std::move(status);
}

}  // namespace touchstone
