#include "devices/virtio/vhost_user/connection.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "devices/virtio/vhost_user/peer_fd.h"

namespace touchstone {

VhostUserConnection::VhostUserConnection(ScopedFd socket, VhostUserTable table)
    : socket_(std::move(socket)), table_(table), broken_(SetNonBlocking(socket_.fd())) {}

absl::Status VhostUserConnection::Send(uint32_t request, uint32_t flags,
                                       absl::Span<const uint8_t> payload,
                                       absl::Span<const int> fds) const {
  CHECK(payload.size() <= kVhostUserMaxPayload && fds.size() <= kVhostUserMaxFds);
  std::array<uint8_t, sizeof(VhostUserHeader) + kVhostUserMaxPayload> bytes;
  const VhostUserHeader header = {.request = request,
                                  .flags = flags | kVhostUserVersion,
                                  .size = static_cast<uint32_t>(payload.size())};
  memcpy(bytes.data(), &header, sizeof(header));
  if (!payload.empty()) memcpy(bytes.data() + sizeof(header), payload.data(), payload.size());
  return socket_.Send(absl::MakeConstSpan(bytes).first(sizeof(header) + payload.size()), fds);
}

absl::StatusOr<std::optional<VhostUserMessage>> VhostUserConnection::Receive() {
  RETURN_IF_ERROR(broken_);
  absl::StatusOr<std::optional<VhostUserMessage>> message = ReceiveSome();
  if (!message.ok()) {
    broken_ = message.status();
    fds_.clear();
  }
  return message;
}

absl::StatusOr<std::optional<VhostUserMessage>> VhostUserConnection::ReceiveSome() {
  VhostUserHeader header;
  ASSIGN_OR_RETURN(const bool has_header, Fill(sizeof(header)));
  if (!has_header) return std::nullopt;
  memcpy(&header, buffer_.data(), sizeof(header));
  RETURN_IF_ERROR(CheckVhostUserHeader(table_, header));
  ASSIGN_OR_RETURN(const bool complete, Fill(sizeof(header) + header.size));
  if (!complete) return std::nullopt;
  VhostUserMessage message = {.request = header.request,
                              .flags = header.flags,
                              .payload = {buffer_.begin() + sizeof(header),
                                          buffer_.begin() + static_cast<ptrdiff_t>(filled_)},
                              .fds = std::exchange(fds_, {})};
  filled_ = 0;
  RETURN_IF_ERROR(CheckVhostUserFds(table_, message));
  return message;
}

absl::StatusOr<bool> VhostUserConnection::Fill(size_t size) {
  while (filled_ < size) {
    std::vector<ScopedFd> fds;
    const absl::StatusOr<size_t> received =
        socket_.Receive(absl::MakeSpan(buffer_).subspan(filled_, size - filled_), &fds);
    if (absl::IsUnavailable(received.status())) return false;
    RETURN_IF_ERROR(received.status());
    if (*received == 0) {
      if (filled_ == 0) return absl::FailedPreconditionError("the peer is gone");
      return absl::DataLossError("the peer is gone in the middle of a message");
    }
    filled_ += *received;
    // A message has no more than these, whatever its request; the table says how many later.
    if (fds_.size() + fds.size() > kVhostUserMaxFds) {
      return absl::InvalidArgumentError(
          absl::StrCat("more than ", kVhostUserMaxFds, " descriptors in one message"));
    }
    for (ScopedFd& fd : fds) fds_.push_back(std::move(fd));
  }
  return true;
}

}  // namespace touchstone
