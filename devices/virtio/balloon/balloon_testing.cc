#include "devices/virtio/balloon/balloon_testing.h"

#include <algorithm>

#include "absl/status/status.h"
#include "base/endian.h"
#include "base/log.h"
#include "devices/virtio/balloon/balloon_protocol.h"

namespace touchstone {
namespace {

std::vector<uint8_t> Frames(std::vector<uint32_t> frames) {
  std::vector<uint8_t> bytes(4 * frames.size());
  for (size_t i = 0; i < frames.size(); ++i) {
    StoreLe(frames[i], absl::MakeSpan(bytes).subspan(4 * i, 4));
  }
  return bytes;
}

bool IsReturned(const DriverQueue::Used& used) { return used.length == 0; }

}  // namespace

absl::StatusOr<uint64_t> FakeMemoryControl::Release(GuestAddress start, uint64_t size) {
  // Made once: a status and its text are two allocations, and a list has many ranges.
  static const absl::Status& refusal =
      *new absl::Status(absl::PermissionDeniedError("the fake refuses"));
  if (refuses_) return refusal;
  if (ranges_.size() == kMaxRanges) ranges_.clear();
  ranges_.push_back({Raw(start), size});
  return Raw(start) < kFakeMemorySize ? std::min(size, kFakeMemorySize - Raw(start)) : 0;
}

void BalloonUnderTest::HostEvent(uint8_t kind, absl::Span<const uint8_t> bytes) {
  switch (kind) {
    case 0:
      return balloon_.RequestStatistics([](const auto& statistics) {
        if (statistics.has_value()) CHECK(!statistics->ToJson().empty());
      });
    case 1:
      return balloon_.SetTarget(LoadLe(bytes.first(std::min<size_t>(bytes.size(), 8))));
    case 3:
      balloon_.OnChange([] {});
      CHECK(balloon_.target() <= kFakeMemorySize);
      static_cast<void>(balloon_.counters());
      static_cast<void>(balloon_.active());
      static_cast<void>(balloon_.actual());  // The driver says anything.
      return;
    default:
      memory_.Refuse(kind == 2);
  }
}

DeviceKit BalloonKit() {
  DeviceKit kit = {
      .make = [](ManualLoop& loop) { return std::make_unique<BalloonUnderTest>(loop); },
      .requests = {
          {.name = "Inflate", .readable = {Frames({7, 5, 6})}, .is_answer = IsReturned},
          {.name = "InflateInPieces",
           .readable = {Frames({1, 2}), {3}, {0, 0, 0, 9}},
           .is_answer = IsReturned},
          {.name = "InflateNothing", .writable = {16}, .is_answer = IsReturned},
          {.name = "InflateNonsense",
           .readable = {Frames({0, 0, 0xFFFFFFFF, 0xD0000})},
           .is_answer = IsReturned},
          {.name = "Deflate", .queue = 1, .readable = {Frames({5, 6})}, .is_answer = IsReturned},
          {.name = "Statistics",
           .queue = 2,
           .readable = {std::vector<uint8_t>(100, 4)},
           .events = {{.kind = 0}},
           .features = kBalloonStatistics,
           .is_answer = IsReturned},
          {.name = "Report",
           .queue = 3,
           .writable = {8192, 4096, 100},
           .features = kBalloonStatistics | kBalloonPageReporting,
           .is_answer = IsReturned},
      }};
  return kit;
}

}  // namespace touchstone
