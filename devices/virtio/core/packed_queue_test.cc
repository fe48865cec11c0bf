// Packed rings as a hostile driver writes them, and their wrap counters.

#include <string>
#include <vector>

#include "devices/virtio/core/virt_queue.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/raw_packed_ring.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::HasSubstr;

constexpr GuestMemory::RegionSpec kRegion = {GuestAddress{0x10000}, 0x10000};
constexpr uint64_t kBuffer = 0x18000;
constexpr uint64_t kTable = 0x1A000;
constexpr uint32_t kSize = 5;
constexpr uint64_t kFeatures = kVirtioVersion1 | kVirtioPackedRing;

class PackedQueueTest : public testing::Test {
 protected:
  VirtQueue Make(uint64_t features, QueuePosition position = {}) const {
    return VirtQueue::Create(memory_,
                             {.layout = ring_.layout(), .features = features, .position = position})
        .value();
  }
  std::string PopError() {
    EXPECT_FALSE(queue_.Pop().has_value());
    return std::string(queue_.error());
  }
  void SetIndirect(uint32_t index, const PackedDescriptor& descriptor) {
    ASSERT_TRUE(
        memory_.WriteObject(GuestAddress{kTable} + index * kDescriptorSize, descriptor).ok());
  }

  GuestMemory memory_ = GuestMemory::Create({kRegion}, {}).value();
  RawPackedRing ring_{memory_, kRegion.start, kSize};
  VirtQueue queue_ = Make(kFeatures | kVirtioIndirectDescriptors);
};

TEST_F(PackedQueueTest, OnlyTheBitsOfThisLapMakeADescriptorAvailable) {
  ring_.SetDescriptor(0, {kBuffer, 1, 0, 0});
  EXPECT_FALSE(queue_.Pop().has_value());
  ring_.SetDescriptor(0, {kBuffer, 1, 0, kPackedDescriptorUsed});
  EXPECT_FALSE(queue_.Pop().has_value());
  ring_.SetDescriptor(0, {kBuffer, 1, 0, kPackedDescriptorUsed | kPackedDescriptorAvailable});
  EXPECT_FALSE(queue_.Pop().has_value());
  ring_.SetDescriptor(0, {kBuffer, 1, 0, kPackedDescriptorAvailable});

  EXPECT_TRUE(queue_.Pop().has_value());
}

TEST_F(PackedQueueTest, ListGoesRoundTheEnd) {
  queue_ = Make(kFeatures, {.available = 4, .used = 4});
  ring_.MakeAvailable(0, {kBuffer, 2, 77, kDescriptorWrite}, false);
  ring_.MakeAvailable(4, {kBuffer, 1, 0, kDescriptorNext}, true);

  ReadableChain chain = *queue_.Pop();
  EXPECT_EQ(chain.id(), 77);
  EXPECT_EQ(chain.readable(), 1u);
  WritableChain answer = std::move(chain).IntoWritable();
  ASSERT_TRUE(answer.WriteObject<uint16_t>(1).ok());
  std::move(answer).Complete();

  EXPECT_TRUE(ring_.IsUsed(4, true));
  EXPECT_EQ(ring_.descriptor(4).id, 77);
  EXPECT_EQ(ring_.descriptor(4).length, 2u);
  EXPECT_EQ(
      queue_.position(),
      (QueuePosition{.available = 1, .used = 1, .available_wrap = false, .used_wrap = false}));
}

// Virtio 1.2, 2.8.6: a list that comes back takes the entries of its length, not its own place.
TEST_F(PackedQueueTest, UsedPositionSkipsTheLengthOfTheList) {
  ring_.MakeAvailable(0, {kBuffer, 1, 10, 0}, true);
  ring_.MakeAvailable(1, {kBuffer, 1, 0, kDescriptorNext}, true);
  ring_.MakeAvailable(2, {kBuffer, 1, 11, 0}, true);
  ReadableChain first = *queue_.Pop();
  ReadableChain second = *queue_.Pop();

  std::move(second).Complete();
  std::move(first).Complete();

  EXPECT_EQ(ring_.descriptor(0).id, 11);
  EXPECT_EQ(ring_.descriptor(2).id, 10);
  EXPECT_EQ(queue_.position().used, 3);
}

TEST_F(PackedQueueTest, WriteFlagSaysWhetherTheLengthCounts) {
  ring_.MakeAvailable(0, {kBuffer, 4, 1, kDescriptorWrite}, true);
  std::move(*queue_.Pop()).Complete();

  EXPECT_EQ(ring_.descriptor(0).flags, kPackedDescriptorAvailable | kPackedDescriptorUsed);
}

// KE-15.
TEST_F(PackedQueueTest, EndlessList) {
  for (uint32_t i = 0; i < kSize; ++i) {
    ring_.MakeAvailable(i, {kBuffer, 1, 0, kDescriptorNext}, true);
  }

  EXPECT_THAT(PopError(), HasSubstr("more descriptors than the queue"));
}

TEST_F(PackedQueueTest, ReadableAfterWritable) {
  ring_.MakeAvailable(0, {kBuffer, 1, 0, kDescriptorNext | kDescriptorWrite}, true);
  ring_.MakeAvailable(1, {kBuffer, 1, 0, 0}, true);

  EXPECT_THAT(PopError(), HasSubstr("readable buffer follows"));
}

// KE-21.
TEST_F(PackedQueueTest, IdAvailableTwiceInFlight) {
  ring_.MakeAvailable(0, {kBuffer, 1, 0xFFFF, kDescriptorWrite}, true);
  ring_.MakeAvailable(1, {kBuffer, 1, 0xFFFF, kDescriptorWrite}, true);
  const ReadableChain first = *queue_.Pop();

  EXPECT_THAT(PopError(), HasSubstr("available twice"));
}

// The driver claims entries that still belong to the device.
TEST_F(PackedQueueTest, MoreDescriptorsInFlightThanThereAre) {
  for (uint32_t i = 0; i < kSize; ++i) {
    ring_.MakeAvailable(i, {kBuffer, 1, static_cast<uint16_t>(i), 0}, true);
  }
  std::vector<ReadableChain> held;
  for (uint32_t i = 0; i < kSize - 1; ++i) held.push_back(*queue_.Pop());
  ring_.MakeAvailable(4, {kBuffer, 1, 0, kDescriptorNext}, true);
  ring_.MakeAvailable(0, {kBuffer, 1, 9, 0}, false);

  EXPECT_THAT(PopError(), HasSubstr("more descriptors are in flight"));
}

TEST_F(PackedQueueTest, IndirectTableIsAnArray) {
  ring_.MakeAvailable(0, {kTable, 48, 3, kDescriptorIndirect}, true);
  SetIndirect(0, {kBuffer, 1, 0, 0});
  SetIndirect(1, {kBuffer, 2, 0, kDescriptorNext});  // Means nothing here.
  SetIndirect(2, {kBuffer, 4, 0, kDescriptorWrite});

  ReadableChain chain = *queue_.Pop();
  EXPECT_EQ(chain.readable(), 3u);
  EXPECT_EQ(chain.writable(), 4u);
  EXPECT_EQ(chain.id(), 3);
  std::move(chain).Complete();

  EXPECT_EQ(queue_.position().used, 1);
}

TEST_F(PackedQueueTest, IndirectNotNegotiated) {
  queue_ = Make(kFeatures);
  ring_.MakeAvailable(0, {kTable, 16, 0, kDescriptorIndirect}, true);

  EXPECT_THAT(PopError(), HasSubstr("not negotiated"));
}

TEST_F(PackedQueueTest, IndirectWithNext) {
  ring_.MakeAvailable(0, {kTable, 16, 0, kDescriptorIndirect | kDescriptorNext}, true);

  EXPECT_THAT(PopError(), HasSubstr("not the last"));
}

TEST_F(PackedQueueTest, IndirectTableLengths) {
  for (const uint32_t length : {0u, 15u, 24u}) {
    queue_ = Make(kFeatures | kVirtioIndirectDescriptors);
    ring_.MakeAvailable(0, {kTable, length, 0, kDescriptorIndirect}, true);
    EXPECT_THAT(PopError(), HasSubstr("no multiple of 16"));
  }
}

TEST_F(PackedQueueTest, IndirectTableLongerThanTheQueue) {
  ring_.MakeAvailable(0, {kTable, (kSize + 1) * 16, 0, kDescriptorIndirect}, true);

  EXPECT_THAT(PopError(), HasSubstr("more descriptors than the queue"));
}

TEST_F(PackedQueueTest, IndirectTableOutsideMemory) {
  ring_.MakeAvailable(0, {0x1FFF0, 32, 0, kDescriptorIndirect}, true);

  EXPECT_THAT(PopError(), HasSubstr("not in guest memory"));
}

TEST_F(PackedQueueTest, PositionBeyondTheRingIsRefused) {
  const auto code = [this](QueuePosition position) {
    return VirtQueue::Create(
               memory_, {.layout = ring_.layout(), .features = kFeatures, .position = position})
        .status()
        .code();
  };

  EXPECT_EQ(code({.available = kSize}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.used = kSize}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.available = kSize - 1, .used = kSize - 1}), absl::StatusCode::kOk);
}

TEST_F(PackedQueueTest, EventStructuresAreWrittenWhereTheDriverLooks) {
  EXPECT_FALSE(queue_.EnableKicks());
  EXPECT_EQ(ring_.device_event_flags(), kPackedEventsEnable);
  queue_.DisableKicks();
  EXPECT_EQ(ring_.device_event_flags(), kPackedEventsDisable);
  queue_ = Make(kFeatures | kVirtioEventIndex, {.available = 3, .used = 3});
  EXPECT_FALSE(queue_.EnableKicks());

  EXPECT_EQ(ring_.device_event_flags(), kPackedEventsDescriptor);
  EXPECT_EQ(ring_.device_event_offset(), 3 | 0x8000);
}

TEST_F(PackedQueueTest, DescriptorEventsNeedTheFeature) {
  ring_.SetDriverEvent(0x8000, kPackedEventsDescriptor);
  ring_.MakeAvailable(0, {kBuffer, 1, 0, 0}, true);
  std::move(*queue_.Pop()).Complete();

  EXPECT_FALSE(queue_.NeedsSignal());
}

TEST_F(PackedQueueTest, SignalsForTheEntryAskedFor) {
  queue_ = Make(kFeatures | kVirtioEventIndex);
  ring_.SetDriverEvent(0x8000 | 1, kPackedEventsDescriptor);
  ring_.MakeAvailable(0, {kBuffer, 1, 0, 0}, true);
  ring_.MakeAvailable(1, {kBuffer, 1, 1, 0}, true);

  std::move(*queue_.Pop()).Complete();
  EXPECT_FALSE(queue_.NeedsSignal());
  std::move(*queue_.Pop()).Complete();
  EXPECT_TRUE(queue_.NeedsSignal());
}

}  // namespace
}  // namespace touchstone
