#include "devices/virtio/vsock/vsock.h"

#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/vsock/packet.h"
#include "devices/virtio/vsock/vsock_config.h"
#include "devices/virtio/vsock/vsock_state.h"

namespace touchstone {
Vsock::Vsock(EventLoop& loop, const Options& options, MakeHost make_host)
    : QueueDevice({.device_id = kVsockDeviceId,
                   .queue_sizes = {options.queue_sizes.begin(), options.queue_sizes.end()},
                   .features = kVirtioIndirectDescriptors},
                  loop),
      guest_cid_(options.guest_cid),
      locking_loop_(loop, mutex_),
      host_(make_host(locking_loop_)),
      muxer_({.guest_cid = options.guest_cid}, locking_loop_, *host_, [this] { Wake(); }) {
  CHECK(guest_cid_ >= kVsockMinGuestCid && guest_cid_ <= kVsockMaxGuestCid);
}

Vsock::~Vsock() = default;

void Vsock::ReadConfig(uint32_t offset, absl::Span<uint8_t> data) {
  ReadVsockConfig(guest_cid_, offset, data);
}

bool Vsock::Accepts(uint16_t queue) {
  MutexLock lock(mutex_);
  switch (queue) {
    case kRx:
      return AcceptsRx();
    case kTx:
      tx_waits_ = !muxer_.MayReceive();
      return !tx_waits_;
    default:
      return !event_buffer_.has_value();
  }
}

bool Vsock::AcceptsRx() {
  muxer_.SetReady();
  if (!rx_buffer_.has_value()) return true;
  if (muxer_.WantsToSend() && muxer_.Fill(*rx_buffer_)) {
    std::move(*rx_buffer_).Complete();
    rx_buffer_.reset();
    return true;
  }
  rx_waits_ = true;
  return false;
}

void Vsock::Handle(uint16_t queue, ReadableChain chain) {
  MutexLock lock(mutex_);
  switch (queue) {
    case kRx: {
      WritableChain buffer = std::move(chain).IntoWritable();
      if (muxer_.WantsToSend() && muxer_.Fill(buffer)) {
        std::move(buffer).Complete();
      } else {
        rx_buffer_ = std::move(buffer);
      }
      break;
    }
    case kTx:
      muxer_.Receive(chain);
      std::move(chain).Complete();
      break;
    default:
      HandleEvent(std::move(chain).IntoWritable());
  }
}

void Vsock::HandleEvent(WritableChain buffer) {
  if (!transport_reset_) {
    event_buffer_ = std::move(buffer);
    return;
  }
  // A buffer that is too small is not the one that the driver listens with.
  if (buffer.WriteObject(VsockEvent{.id = kVsockTransportReset}).ok()) transport_reset_ = false;
  std::move(buffer).Complete();
}

void Vsock::Drain(uint16_t queue) {
  std::optional<WritableChain>& buffer = queue == kRx ? rx_buffer_ : event_buffer_;
  if (queue == kTx || !buffer.has_value()) return;
  running_queue(queue)->PutBack(*std::move(buffer));
  buffer.reset();
}

void Vsock::OnReset() {
  VsockMuxer::Remains remains;  // Destroyed without the lock.
  MutexLock lock(mutex_);
  remains = muxer_.Clear();
  transport_reset_ = false;
}

void Vsock::Wake() {
  if (std::exchange(rx_waits_, false)) Resume(kRx);
  if (tx_waits_ && muxer_.MayReceive()) {
    tx_waits_ = false;
    Resume(kTx);
  }
}

absl::StatusOr<std::string> Vsock::Save() {
  MutexLock lock(mutex_);
  return WriteVsockState(
      {.guest_cid = guest_cid_, .transport_reset = transport_reset_ || muxer_.HasState()});
}

absl::Status Vsock::Restore(absl::string_view bytes) {
  ASSIGN_OR_RETURN(const VsockState state, ReadVsockState(bytes, guest_cid_));
  VsockMuxer::Remains remains;
  MutexLock lock(mutex_);
  remains = muxer_.Clear();
  transport_reset_ = state.transport_reset;
  return absl::OkStatus();
}

VsockMuxer::Stats Vsock::stats() const {
  MutexLock lock(mutex_);
  return muxer_.stats();
}

size_t Vsock::connections() const {
  MutexLock lock(mutex_);
  return muxer_.connections();
}

}  // namespace touchstone
