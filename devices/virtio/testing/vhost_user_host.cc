#include "devices/virtio/testing/vhost_user_host.h"

#include <utility>

#include "base/fd_socket.h"
#include "devices/virtio/vhost_user/message.h"

namespace touchstone {

VhostUserHost::VhostUserHost(VirtioDevice& device, GuestMemory memory, EventLoop& loop) {
  auto [ours, theirs] = FdSocket::CreatePair(FdSocket::Kind::kStream).value();
  backend_ = std::make_unique<VhostUserBackend>(device, std::move(theirs).Release(), backend_loop_,
                                                [this](const absl::Status& why) { closed_ = why; });
  const absl::Span<const uint16_t> sizes = device.max_queue_sizes();
  frontend_ = VhostUserFrontend::Create(std::move(ours).Release(), loop,
                                        {.device_id = device.device_id(),
                                         .queue_sizes = {sizes.begin(), sizes.end()},
                                         .config_size = kVhostUserConfigSize,
                                         .waiter = std::make_unique<TurningWaiter>(backend_loop_)})
                  .value();
  direct_ = std::make_unique<DirectHost>(*frontend_, std::move(memory));
}

}  // namespace touchstone
