#include "devices/virtio/net/net_transmitter.h"

#include <utility>

#include "absl/status/statusor.h"
#include "devices/virtio/net/net_protocol.h"

namespace touchstone {
namespace {

constexpr int kKicksBetweenAttempts = 16;

}  // namespace

NetTransmitter::NetTransmitter(NetPort& port, EventLoop& loop, absl::Duration wait,
                               std::function<void()> resume, std::function<void()> gone)
    : port_(port),
      loop_(loop),
      wait_(wait),
      resume_(std::move(resume)),
      tell_gone_(std::move(gone)) {}

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
  resume_();
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

bool NetTransmitter::LooksAgain(int frames) {
  if (wait_ == absl::ZeroDuration()) return false;
  MutexLock lock(mutex_);
  if (looking_again_ && frames < 2) kicks_until_attempt_ = kKicksBetweenAttempts;
  looking_again_ = kicks_until_attempt_ == 0;
  if (looking_again_) {
    timer_ = loop_.After(wait_, resume_);
  } else {
    --kicks_until_attempt_;
  }
  return looking_again_;
}

void NetTransmitter::Stop() {
  // These wait for their callbacks when they go, which is after the lock does.
  Watch watch;
  Watch timer;
  MutexLock lock(mutex_);
  timer = std::move(timer_);
  looking_again_ = false;
  if (!waiting_.has_value()) return;
  ++stats_.failed;
  port_.Abandon();
  std::move(*waiting_).Complete();
  waiting_.reset();
  watch = std::move(watch_);
}

NetTransmitter::Stats NetTransmitter::stats() const {
  MutexLock lock(mutex_);
  return stats_;
}

}  // namespace touchstone
