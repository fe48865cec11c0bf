#include "devices/virtio/net/net_transmitter.h"

#include <utility>

#include "absl/status/statusor.h"
#include "devices/virtio/net/net_protocol.h"

namespace touchstone {

NetTransmitter::NetTransmitter(NetPort& port, EventLoop& loop, std::function<void()> unblocked,
                               std::function<void()> gone)
    : port_(port), loop_(loop), unblocked_(std::move(unblocked)), tell_gone_(std::move(gone)) {}

void NetTransmitter::Send(ReadableChain chain) {
  MutexLock lock(mutex_);
  if (TrySend(chain)) return std::move(chain).Complete();
  waiting_ = std::move(chain);
  watch_ = loop_.OnWritable(port_.fd(), [this] { Writable(); });
}

bool NetTransmitter::blocked() const {
  MutexLock lock(mutex_);
  return waiting_.has_value();
}

void NetTransmitter::Writable() {
  {
    MutexLock lock(mutex_);
    if (!waiting_.has_value() || !TrySend(*waiting_)) return;
    std::move(*waiting_).Complete();
    waiting_.reset();
    watch_.Reset();
  }
  unblocked_();
}

bool NetTransmitter::TrySend(ReadableChain& chain) {
  const uint64_t size = chain.readable();
  if (size < kNetMinPacket || size > kNetMaxPacket) {
    ++stats_.bad;
    return true;
  }
  const absl::StatusOr<GuestMemory::SliceList> slices = chain.Slices(size);
  if (!slices.ok() || slices->size() > kMaxSlices) {
    ++stats_.bad;
    return true;
  }
  switch (port_.Send(*slices)) {
    case NetResult::kDone:
      ++stats_.frames;
      return true;
    case NetResult::kAgain:
      return false;
    case NetResult::kGone:
      tell_gone_();
      ++stats_.failed;
      return true;
    case NetResult::kFailed:
      ++stats_.failed;
      return true;
  }
  return true;
}

void NetTransmitter::Stop() {
  Watch watch;
  MutexLock lock(mutex_);
  if (!waiting_.has_value()) return;
  ++stats_.failed;
  port_.Abandon();
  std::move(*waiting_).Complete();
  waiting_.reset();
  watch = std::move(watch_);  // Waits for its callback when it goes, which is after the lock does.
}

NetTransmitter::Stats NetTransmitter::stats() const {
  MutexLock lock(mutex_);
  return stats_;
}

}  // namespace touchstone
