#include "devices/virtio/vsock/vsock.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/endian.h"
#include "base/log.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/vsock/packet.h"
#include "devices/virtio/vsock/vsock_config.h"

namespace touchstone {
namespace {

constexpr uint32_t kStateVersion = 1;

// What Save returns.
struct State {
  Le32 version;
  Le64 guest_cid;
  uint8_t transport_reset;
};
static_assert(sizeof(State) == 13);

}  // namespace

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
  const State state = {.version = kStateVersion,
                       .guest_cid = guest_cid_,
                       .transport_reset = transport_reset_ || muxer_.HasState()};
  return std::string(reinterpret_cast<const char*>(&state), sizeof(state));
}

absl::Status Vsock::Restore(absl::string_view bytes) {
  State state;
  if (bytes.size() != sizeof(state)) {
    return absl::InvalidArgumentError(absl::StrCat("vsock: a state of ", bytes.size(), " bytes"));
  }
  memcpy(&state, bytes.data(), sizeof(state));
  if (state.version != kStateVersion || state.transport_reset > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("vsock: a state of version ", state.version.get(), " that is not understood"));
  }
  if (state.guest_cid != guest_cid_) {
    return absl::InvalidArgumentError(absl::StrCat("vsock: the state is of a guest with CID ",
                                                   state.guest_cid.get(), ", this one has ",
                                                   guest_cid_));
  }
  VsockMuxer::Remains remains;
  MutexLock lock(mutex_);
  remains = muxer_.Clear();
  transport_reset_ = state.transport_reset != 0;
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
