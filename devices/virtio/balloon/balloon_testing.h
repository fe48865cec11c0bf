// The balloon over a host that only takes notes, and its requests.
//
// HostEvent: kind 0 asks for statistics, 1 sets the target (8 bytes), 2 makes the host refuse from
// now on, 3 looks at everything and wants to hear of changes, any other makes the host work again.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_TESTING_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_TESTING_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/event/manual_loop.h"
#include "base/memory/memory_control.h"
#include "devices/virtio/balloon/balloon.h"
#include "devices/virtio/testing/device_kit.h"

namespace touchstone {

// Memory from 0 to kFakeMemorySize. Thread-compatible.
inline constexpr uint64_t kFakeMemorySize = uint64_t{1} << 30;

class FakeMemoryControl final : public MemoryControl {
 public:
  using Range = std::pair<uint64_t, uint64_t>;  // Start and size.

  // What was released, the last kMaxRanges of it.
  static constexpr size_t kMaxRanges = 1024;
  [[nodiscard]] const std::vector<Range>& ranges() const { return ranges_; }
  void Refuse(bool refuses) { refuses_ = refuses; }

  absl::StatusOr<uint64_t> Release(GuestAddress start, uint64_t size) override;

 private:
  std::vector<Range> ranges_;
  bool refuses_ = false;
};

class BalloonUnderTest final : public TestDevice {
 public:
  explicit BalloonUnderTest(ManualLoop& loop,
                            Balloon::Options options = {.memory_size = kFakeMemorySize,
                                                        .page_reporting = true})
      : BalloonUnderTest(loop, options, std::make_unique<FakeMemoryControl>()) {}

  [[nodiscard]] VirtioDevice& device() override { return balloon_; }
  [[nodiscard]] Balloon& balloon() { return balloon_; }
  [[nodiscard]] FakeMemoryControl& memory() { return memory_; }
  void HostEvent(uint8_t kind, absl::Span<const uint8_t> bytes) override;

 private:
  BalloonUnderTest(ManualLoop& loop, Balloon::Options options,
                   std::unique_ptr<FakeMemoryControl> memory)
      : memory_(*memory), balloon_(loop, options, std::move(memory)) {}

  FakeMemoryControl& memory_;
  Balloon balloon_;
};

DeviceKit BalloonKit();

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_TESTING_H_
