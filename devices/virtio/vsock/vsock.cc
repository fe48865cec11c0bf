#include "devices/virtio/vsock/vsock.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/endian.h"
#include "base/log.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/vsock/packet.h"

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
    : QueueDevice({.device_id = kDeviceId,
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

// Virtio 1.2, 5.10.4: guest_cid, 8 bytes.
void Vsock::ReadConfig(uint32_t offset, absl::Span<uint8_t> data) {
  uint8_t config[8];
  StoreLe(guest_cid_, config);
  if (offset >= sizeof(config)) return;
  const size_t size = std::min<size_t>(data.size(), sizeof(config) - offset);
  memcpy(data.data(), config + offset, size);
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
      return transport_reset_;
  }
}

bool Vsock::AcceptsRx() {
  muxer_.SetReady();
  if (spare_.has_value() && muxer_.WantsToSend() && muxer_.Fill(*spare_)) {
    std::move(*spare_).Complete();
    spare_.reset();
  }
  rx_waits_ = !muxer_.WantsToSend();
  return !rx_waits_;
}

void Vsock::Handle(uint16_t queue, ReadableChain chain) {
  MutexLock lock(mutex_);
  if (queue == kTx) {
    muxer_.Receive(chain);
    std::move(chain).Complete();
    return;
  }
  WritableChain buffer = std::move(chain).IntoWritable();
  if (queue == kEvent) {
    // One that is too small is not the one that the driver listens to.
    const bool told = buffer.WriteObject(VsockEvent{.id = kVsockTransportReset}).ok();
    if (told) transport_reset_ = false;
    std::move(buffer).Complete();
    return;
  }
  if (muxer_.Fill(buffer)) {
    std::move(buffer).Complete();
  } else {
    spare_ = std::move(buffer);
  }
}

void Vsock::Drain(uint16_t queue) {
  // The driver takes an empty buffer for one without a packet.
  if (queue == kRx && spare_.has_value()) {
    std::move(*spare_).Complete();
    spare_.reset();
  }
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
