#include "devices/virtio/vsock/vhost_vsock.h"

#include <optional>
#include <string>
#include <utility>

#include "base/bits.h"
#include "base/log.h"
#include "base/status.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/vhost/vhost_abi.h"
#include "devices/virtio/vsock/packet.h"
#include "devices/virtio/vsock/vsock_config.h"
#include "devices/virtio/vsock/vsock_state.h"

namespace touchstone {
namespace {

constexpr uint16_t kDataQueues = 2;
constexpr uint64_t kSeqPacket = Bit<uint64_t>(1);  // Virtio 1.2, 5.10.3.

}  // namespace

absl::StatusOr<std::unique_ptr<VhostVsock>> VhostVsock::Create(
    std::unique_ptr<VhostControl> control, uint64_t guest_cid,
    const std::array<uint16_t, 3>& queue_sizes, EventLoop& loop) {
  ASSIGN_OR_RETURN(const uint64_t available, Claim(*control));
  RETURN_IF_ERROR(VHOST_CALL(*control, VHOST_VSOCK_SET_GUEST_CID, &guest_cid));
  return std::unique_ptr<VhostVsock>(
      new VhostVsock(available, std::move(control), guest_cid, queue_sizes, loop));
}

VhostVsock::VhostVsock(uint64_t available, std::unique_ptr<VhostControl> control,
                       uint64_t guest_cid, const std::array<uint16_t, 3>& queue_sizes,
                       EventLoop& loop)
    : VhostDevice({.device_id = kVsockDeviceId,
                   .queue_sizes = {queue_sizes.begin(), queue_sizes.end()},
                   .kernel_queues = kDataQueues,
                   .kernel_features = kSeqPacket | kVirtioIndirectDescriptors},
                  available, std::move(control), loop),
      guest_cid_(guest_cid) {}

void VhostVsock::ReadConfig(uint32_t offset, absl::Span<uint8_t> data) {
  ReadVsockConfig(guest_cid_, offset, data);
}

absl::Status VhostVsock::Connect(uint16_t /*queue*/) {
  for (uint16_t queue = 0; queue < kDataQueues; ++queue) {
    if (!prepared(queue)) return absl::OkStatus();
  }
  return SetRunning(true);
}

void VhostVsock::Disconnect(uint16_t /*queue*/) {
  if (!running_) return;
  if (absl::Status status = SetRunning(false); !status.ok()) {
    LOG(kError, "vsock", "%s", std::string(status.message()));
  }
}

// Drivers have buffers there from the start on (Virtio 1.2, 5.10.4). Without one, the driver hears
// of it when the queue is started again.
void VhostVsock::OwnQueueStarted(uint16_t queue, VirtQueue& events) {
  if (!transport_reset_) return;
  std::optional<ReadableChain> chain = events.Pop();
  if (!chain.has_value()) return;
  WritableChain buffer = std::move(*chain).IntoWritable();
  if (buffer.WriteObject(VsockEvent{.id = kVsockTransportReset}).ok()) transport_reset_ = false;
  std::move(buffer).Complete();
  if (events.NeedsSignal()) driver().interrupt->SignalQueue(queue);
}

absl::StatusOr<std::string> VhostVsock::Save() {
  // Which connections there are, the kernel does not say.
  return WriteVsockState(
      {.guest_cid = guest_cid_, .transport_reset = transport_reset_ || has_run_});
}

absl::Status VhostVsock::Restore(absl::string_view state) {
  ASSIGN_OR_RETURN(const VsockState saved, ReadVsockState(state, guest_cid_));
  transport_reset_ = saved.transport_reset;
  return absl::OkStatus();
}

absl::Status VhostVsock::SetRunning(bool running) {
  int value = running ? 1 : 0;
  running_ = running;
  has_run_ |= running;
  return VHOST_CALL(control(), VHOST_VSOCK_SET_RUNNING, &value);
}

}  // namespace touchstone
