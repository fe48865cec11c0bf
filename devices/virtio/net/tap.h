// A tap interface of the host as the network of a device: each pair of queues is a descriptor of
// /dev/net/tun (linux/if_tun.h).
//
// The kernel stores frames into guest memory and takes them from there, with virtio's header in
// front; checksums and segmentation that one side leaves to the other pass through.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_NET_TAP_H_
#define TOUCHSTONE_DEVICES_VIRTIO_NET_TAP_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/scoped_fd.h"
#include "devices/virtio/net/net_backend.h"
#include "devices/virtio/net/net_protocol.h"
#include "devices/virtio/net/tap_address.h"

namespace touchstone {

// One descriptor of a tap: anything that keeps frames apart will do.
class TapPort final : public NetPort {
 public:
  // `fd` is non-blocking.
  explicit TapPort(ScopedFd fd) : fd_(std::move(fd)) {}

  NetResult Receive(absl::Span<const iovec> buffers, size_t& size) override;
  NetResult Send(absl::Span<const iovec> frame) override;
  [[nodiscard]] int fd() const override { return fd_.get(); }
  [[nodiscard]] ScopedFd Release() { return std::move(fd_); }

 private:
  ScopedFd fd_;
};

class TapBackend final : public NetBackend {
 public:
  // An interface that exists. NotFound when it does not; PermissionDenied when it belongs to
  // somebody else; FailedPrecondition when it is in use or is not of the kind that is needed.
  static absl::StatusOr<std::unique_ptr<TapBackend>> OpenByName(absl::string_view name,
                                                                size_t pairs);
  // A descriptor that was opened by somebody else, as a tap with IFF_NO_PI and IFF_VNET_HDR.
  // Several pairs need IFF_MULTI_QUEUE, and permission to open the interface again.
  static absl::StatusOr<std::unique_ptr<TapBackend>> FromFd(ScopedFd fd, size_t pairs);
  // Makes an interface, which goes with the last descriptor, and brings it up. Needs CAP_NET_ADMIN.
  static absl::StatusOr<std::unique_ptr<TapBackend>> Create(const TapAddress& address,
                                                            size_t pairs);

  // Descriptors, one for each pair, that came out of Release in another process.
  static absl::StatusOr<std::unique_ptr<TapBackend>> FromQueues(std::vector<ScopedFd> queues,
                                                                std::optional<uint16_t> mtu);

  // Gives up the descriptors, one for each pair.
  static std::vector<ScopedFd> Release(std::unique_ptr<TapBackend> backend);

  [[nodiscard]] size_t pairs() const override { return ports_.size(); }
  [[nodiscard]] NetPort& port(size_t pair) override { return *ports_[pair]; }
  [[nodiscard]] uint64_t offloads() const override { return offloads_; }
  [[nodiscard]] std::optional<uint16_t> mtu() const override { return mtu_; }
  absl::Status SetGuestOffloads(uint64_t offloads) override;
  absl::Status SetActivePairs(size_t pairs) override;

  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  TapBackend(std::string name, std::vector<ScopedFd> fds, std::optional<uint16_t> mtu);
  // What all kinds have in common, once there is a descriptor.
  static absl::StatusOr<std::unique_ptr<TapBackend>> Finish(ScopedFd first, size_t pairs);

  const std::string name_;
  std::vector<std::unique_ptr<TapPort>> ports_;
  uint64_t offloads_ = 0;
  const std::optional<uint16_t> mtu_;
  size_t active_pairs_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_NET_TAP_H_
