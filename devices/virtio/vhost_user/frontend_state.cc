#include "devices/virtio/vhost_user/frontend_state.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <utility>

#include "base/scoped_fd.h"
#include "base/status.h"
#include "devices/virtio/vhost_user/message.h"
#include "devices/virtio/vhost_user/peer_fd.h"
#include "devices/virtio/vhost_user/state_transfer.h"

namespace touchstone {
namespace {

// Our end of a pipe whose other one the back end has.
absl::StatusOr<ScopedFd> OpenPipe(VhostUserFrontendChannel& channel, uint32_t direction) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe2");
  ScopedFd ends[2] = {ScopedFd(fds[0]), ScopedFd(fds[1])};
  const bool save = direction == kVhostUserStateSave;
  ScopedFd ours = std::move(ends[save ? 0 : 1]);
  const ScopedFd theirs = std::move(ends[save ? 1 : 0]);
  ASSIGN_OR_RETURN(VhostUserMessage reply,
                   channel.Ask(VhostUserRequest::kSetDeviceStateFd,
                               VhostUserPayload(VhostUserStateRequest{
                                   .direction = direction, .phase = kVhostUserPhaseStopped}),
                               {theirs.get()}));
  const uint64_t answer = reply.Get<Le64>();
  if ((answer & ~kVhostUserNoFd) != 0) {
    return absl::AbortedError("vhost-user SET_DEVICE_STATE_FD: the back end refused");
  }
  // vhost-user, SET_DEVICE_STATE_FD: the back end may have a better descriptor.
  if ((answer & kVhostUserNoFd) == 0 && reply.fds.size() == 1) ours = std::move(reply.fds[0]);
  RETURN_IF_ERROR(SetNonBlocking(ours.get()));
  return ours;
}

absl::Status Check(VhostUserFrontendChannel& channel) {
  ASSIGN_OR_RETURN(const uint64_t answer, channel.AskNumber(VhostUserRequest::kCheckDeviceState));
  if (answer == 0) return absl::OkStatus();
  return absl::InvalidArgumentError("vhost-user CHECK_DEVICE_STATE: the state is not whole");
}

}  // namespace

absl::StatusOr<std::string> FetchVhostUserState(VhostUserFrontendChannel& channel) {
  ASSIGN_OR_RETURN(const ScopedFd pipe, OpenPipe(channel, kVhostUserStateSave));
  std::string state;
  std::array<char, 16 << 10> bytes;
  channel.waiter().Begin();
  while (true) {
    // NOLINTNEXTLINE(clang-analyzer-unix.BlockInCriticalSection): the pipe is non-blocking.
    const ssize_t count = read(pipe.get(), bytes.data(), bytes.size());
    if (count == 0) break;
    if (count > 0) {
      state.append(bytes.data(), static_cast<size_t>(count));
      if (state.size() <= kVhostUserMaxState) continue;
      return absl::ResourceExhaustedError("the vhost-user back end has too much state");
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return ErrnoStatus(errno, "read of a device's state");
    if (!channel.waiter().Wait(pipe.get(), false)) {
      return absl::DeadlineExceededError("the vhost-user back end does not send its state");
    }
  }
  RETURN_IF_ERROR(Check(channel));
  return state;
}

absl::Status SendVhostUserState(VhostUserFrontendChannel& channel, absl::string_view state) {
  {
    ASSIGN_OR_RETURN(const ScopedFd pipe, OpenPipe(channel, kVhostUserStateLoad));
    channel.waiter().Begin();
    while (!state.empty()) {
      const ssize_t count = WriteQuietly(pipe.get(), state.data(), state.size());
      if (count >= 0) {
        state.remove_prefix(static_cast<size_t>(count));
      } else if (errno == EPIPE) {
        break;  // The check says why.
      } else if (errno == EAGAIN) {
        if (!channel.waiter().Wait(pipe.get(), true)) {
          return absl::DeadlineExceededError("the vhost-user back end does not take its state");
        }
      } else if (errno != EINTR) {
        return ErrnoStatus(errno, "write of a device's state");
      }
    }
  }
  return Check(channel);
}

}  // namespace touchstone
