#include "devices/virtio/rng/rng.h"

#include <errno.h>
#include <sys/random.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/log.h"
#include "base/status.h"

namespace touchstone {

absl::Status Rng::HostRandom(absl::Span<uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = getrandom(bytes.data(), bytes.size(), 0);
    if (count < 0 && errno != EINTR) return ErrnoStatus(errno, "getrandom");
    bytes.remove_prefix(static_cast<size_t>(std::max<ssize_t>(count, 0)));
  }
  return absl::OkStatus();
}

Rng::Rng(EventLoop& loop, Source source)
    : QueueDevice({.device_id = kDeviceId, .queue_sizes = {kQueueSize}}, loop),
      source_(std::move(source)) {}

// Virtio 1.2, 5.4.6: the driver's buffers are writable; what is readable means nothing.
void Rng::Handle(uint16_t /*queue*/, ReadableChain chain) {
  WritableChain answer = std::move(chain).IntoWritable();
  uint64_t left = std::min(answer.writable(), kMaxBytes);
  uint8_t buffer[kChunk];
  while (left > 0) {
    const absl::Span<uint8_t> chunk =
        absl::MakeSpan(buffer).first(static_cast<size_t>(std::min<uint64_t>(left, kChunk)));
    if (absl::Status status = source_(chunk); !status.ok()) {
      LOG(kError, "rng", "%s", std::string(status.message()));
      break;
    }
    // Buffers outside of memory are the driver's loss.
    if (!answer.Write(chunk).ok()) break;
    left -= chunk.size();
  }
  std::move(answer).Complete();
}

}  // namespace touchstone
