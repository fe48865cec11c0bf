// Split rings as a hostile driver writes them.

#include <string>
#include <vector>

#include "devices/virtio/core/virt_queue.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/raw_split_ring.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::HasSubstr;

constexpr GuestMemory::RegionSpec kRegion = {GuestAddress{0x10000}, 0x10000};
constexpr uint64_t kBuffer = 0x18000;
constexpr uint64_t kTable = 0x1A000;
constexpr uint32_t kSize = 8;

class SplitQueueTest : public testing::Test {
 protected:
  static VirtQueue Make(const GuestMemory& memory, const RawSplitRing& ring, uint64_t features,
                        QueuePosition position = {}) {
    return VirtQueue::Create(memory,
                             {.layout = ring.layout(), .features = features, .position = position})
        .value();
  }

  // The error that popping ends in; empty when there is none.
  std::string PopError() {
    EXPECT_FALSE(queue_.Pop().has_value());
    return std::string(queue_.error());
  }
  void SetIndirect(uint32_t index, const SplitDescriptor& descriptor) {
    ASSERT_TRUE(
        memory_.WriteObject(GuestAddress{kTable} + uint64_t{index} * kDescriptorSize, descriptor)
            .ok());
  }

  GuestMemory memory_ = GuestMemory::Create({kRegion}, {}).value();
  RawSplitRing ring_{memory_, kRegion.start, kSize};
  VirtQueue queue_ = Make(memory_, ring_, kVirtioVersion1 | kVirtioIndirectDescriptors);
};

TEST_F(SplitQueueTest, HeadBeyondTheTable) {
  ring_.MakeAvailable(kSize);

  EXPECT_THAT(PopError(), HasSubstr("beyond the end of the table"));
}

TEST_F(SplitQueueTest, NextBeyondTheTable) {
  ring_.SetDescriptor(0, {kBuffer, 1, kDescriptorNext, 0xFFFF});
  ring_.MakeAvailable(0);

  EXPECT_THAT(PopError(), HasSubstr("beyond the end of the table"));
}

TEST_F(SplitQueueTest, AvailableIndexTooFarAhead) {
  ring_.SetAvailableIndex(kSize + 1);

  EXPECT_THAT(PopError(), HasSubstr("further ahead"));
}

TEST_F(SplitQueueTest, AvailableIndexBehind) {
  ring_.SetAvailableIndex(0xFFFF);

  EXPECT_THAT(PopError(), HasSubstr("further ahead"));
}

// KE-15.
TEST_F(SplitQueueTest, ChainToItself) {
  ring_.SetDescriptor(0, {kBuffer, 1, kDescriptorNext, 0});
  ring_.MakeAvailable(0);

  EXPECT_THAT(PopError(), HasSubstr("more descriptors than the queue"));
}

TEST_F(SplitQueueTest, ChainOfTheWholeTableIsFine) {
  for (uint16_t i = 0; i < kSize; ++i) {
    const uint16_t flags = i + 1u < kSize ? kDescriptorNext : 0;
    ring_.SetDescriptor(i, {kBuffer + i, 1, flags, static_cast<uint16_t>(i + 1)});
  }
  ring_.MakeAvailable(0);

  EXPECT_EQ(queue_.Pop()->readable(), kSize);
}

TEST_F(SplitQueueTest, ReadableAfterWritable) {
  ring_.SetDescriptor(0, {kBuffer, 1, kDescriptorNext | kDescriptorWrite, 1});
  ring_.SetDescriptor(1, {kBuffer, 1, 0, 0});
  ring_.MakeAvailable(0);

  EXPECT_THAT(PopError(), HasSubstr("readable buffer follows"));
}

TEST_F(SplitQueueTest, FourGigabytesAreTheLimit) {
  ring_.SetDescriptor(0, {0, 0xFFFFFFFF, kDescriptorNext, 1});
  ring_.SetDescriptor(1, {0, 1, kDescriptorWrite, 0});
  ring_.MakeAvailable(0);
  EXPECT_EQ(queue_.Pop()->readable(), 0xFFFFFFFFu);
  ring_.SetDescriptor(1, {0, 2, kDescriptorWrite, 0});
  ring_.MakeAvailable(0);

  EXPECT_THAT(PopError(), HasSubstr("longer than 4 GiB"));
}

TEST_F(SplitQueueTest, BufferBeyondTheAddressSpace) {
  ring_.SetDescriptor(0, {UINT64_MAX, 2, 0, 0});
  ring_.MakeAvailable(0);

  EXPECT_THAT(PopError(), HasSubstr("address space"));
}

// Not the ring's business: it shows when the device looks.
TEST_F(SplitQueueTest, BuffersOutsideMemoryFailWhenAccessed) {
  ring_.SetDescriptor(0, {0x1FFFF, 2, kDescriptorNext, 1});
  ring_.SetDescriptor(1, {0, 0xFFFFFFF0, kDescriptorWrite, 0});
  ring_.MakeAvailable(0);

  ReadableChain chain = *queue_.Pop();
  EXPECT_EQ(chain.ReadObject<uint16_t>().status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(chain.Slices(2).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(chain.readable(), 2u);
  WritableChain answer = std::move(chain).IntoWritable();
  EXPECT_EQ(answer.WriteObject<uint8_t>(1).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(answer.Slices(0xFFFFFFF0).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(answer.written(), 0u);
  std::move(answer).Complete();

  EXPECT_EQ(ring_.used(0).length, 0u);
  EXPECT_FALSE(queue_.broken());
}

TEST_F(SplitQueueTest, EmptyBuffersAreNothing) {
  ring_.SetDescriptor(0, {~uint64_t{0}, 0, kDescriptorNext, 1});
  ring_.SetDescriptor(1, {kBuffer, 0, kDescriptorWrite, 0});
  ring_.MakeAvailable(0);

  const ReadableChain chain = *queue_.Pop();

  EXPECT_EQ(chain.readable(), 0u);
  EXPECT_EQ(chain.writable(), 0u);
}

// KE-21.
TEST_F(SplitQueueTest, HeadAvailableTwiceInFlightBreaksTheQueueAndHarmsNothing) {
  ring_.SetDescriptor(5, {kBuffer, 4, kDescriptorWrite, 0});
  ring_.Stage(5);
  ring_.MakeAvailable(5);

  WritableChain first = std::move(*queue_.Pop()).IntoWritable();
  EXPECT_THAT(PopError(), HasSubstr("available twice"));
  EXPECT_EQ(queue_.in_flight(), 1u);
  ASSERT_TRUE(first.WriteObject<uint32_t>(1).ok());
  std::move(first).Complete();

  EXPECT_EQ(ring_.used_index(), 1);
  EXPECT_EQ(ring_.used(0), (RawSplitRing::Used{.id = 5, .length = 4}));
}

TEST_F(SplitQueueTest, HeadMayComeAgainAfterItWasReturned) {
  ring_.SetDescriptor(5, {kBuffer, 4, kDescriptorWrite, 0});
  ring_.Stage(5);
  ring_.MakeAvailable(5);

  std::move(*queue_.Pop()).Complete();
  std::move(*queue_.Pop()).Complete();

  EXPECT_EQ(ring_.used_index(), 2);
}

// KE-19.
TEST_F(SplitQueueTest, InFlightIsBoundedByTheQueue) {
  for (uint16_t i = 0; i < kSize; ++i) ring_.SetDescriptor(i, {kBuffer, 1, kDescriptorWrite, 0});
  for (uint16_t i = 0; i < kSize; ++i) ring_.MakeAvailable(i);
  std::vector<ReadableChain> held;
  while (auto chain = queue_.Pop()) held.push_back(*std::move(chain));
  ASSERT_EQ(held.size(), kSize);
  ring_.MakeAvailable(0);

  EXPECT_THAT(PopError(), HasSubstr("more chains are in flight"));
}

TEST_F(SplitQueueTest, BrokenQueueStaysBroken) {
  ring_.MakeAvailable(kSize);
  EXPECT_FALSE(queue_.Pop().has_value());
  ring_.SetDescriptor(0, {kBuffer, 1, 0, 0});
  ring_.MakeAvailable(0);

  EXPECT_FALSE(queue_.Pop().has_value());
  EXPECT_FALSE(queue_.EnableKicks());
  EXPECT_EQ(queue_.stats().popped, 0u);
}

TEST_F(SplitQueueTest, ChangesAfterThePopAreNotSeen) {
  ring_.SetDescriptor(0, {kBuffer, 1, kDescriptorWrite, 0});
  ring_.MakeAvailable(0);

  WritableChain chain = std::move(*queue_.Pop()).IntoWritable();
  ring_.SetDescriptor(0, {0, 0xFFFF, 0, 0});
  ASSERT_TRUE(chain.WriteObject<uint8_t>(0x77).ok());

  EXPECT_EQ(*memory_.ReadObject<uint8_t>(GuestAddress{kBuffer}), 0x77);
  EXPECT_EQ(chain.writable(), 0u);
}

TEST_F(SplitQueueTest, IndirectAfterDirectIsOneChain) {
  ring_.SetDescriptor(0, {kBuffer, 1, kDescriptorNext, 1});
  ring_.SetDescriptor(1, {kTable, 48, kDescriptorIndirect | kDescriptorWrite, 0});
  SetIndirect(0, {kBuffer, 2, kDescriptorNext, 2});
  SetIndirect(2, {kBuffer, 4, kDescriptorWrite, 0});
  ring_.MakeAvailable(0);

  const ReadableChain chain = *queue_.Pop();

  EXPECT_EQ(chain.readable(), 3u);
  EXPECT_EQ(chain.writable(), 4u);
}

TEST_F(SplitQueueTest, IndirectNotNegotiated) {
  queue_ = Make(memory_, ring_, kVirtioVersion1);
  ring_.SetDescriptor(0, {kTable, 16, kDescriptorIndirect, 0});
  ring_.MakeAvailable(0);

  EXPECT_THAT(PopError(), HasSubstr("not negotiated"));
}

TEST_F(SplitQueueTest, IndirectWithNext) {
  ring_.SetDescriptor(0, {kTable, 16, kDescriptorIndirect | kDescriptorNext, 1});
  ring_.MakeAvailable(0);

  EXPECT_THAT(PopError(), HasSubstr("not the last"));
}

TEST_F(SplitQueueTest, IndirectInsideIndirect) {
  ring_.SetDescriptor(0, {kTable, 16, kDescriptorIndirect, 0});
  SetIndirect(0, {kTable, 16, kDescriptorIndirect, 0});
  ring_.MakeAvailable(0);

  EXPECT_THAT(PopError(), HasSubstr("refers to another"));
}

TEST_F(SplitQueueTest, IndirectTableOfNoLength) {
  ring_.SetDescriptor(0, {kTable, 0, kDescriptorIndirect, 0});
  ring_.MakeAvailable(0);

  EXPECT_THAT(PopError(), HasSubstr("no multiple of 16"));
}

TEST_F(SplitQueueTest, IndirectTableOfOddLength) {
  ring_.SetDescriptor(0, {kTable, 17, kDescriptorIndirect, 0});
  ring_.MakeAvailable(0);

  EXPECT_THAT(PopError(), HasSubstr("no multiple of 16"));
}

TEST_F(SplitQueueTest, IndirectIndexBeyondItsTable) {
  ring_.SetDescriptor(0, {kTable, 32, kDescriptorIndirect, 0});
  SetIndirect(0, {kBuffer, 1, kDescriptorNext, 2});
  ring_.MakeAvailable(0);

  EXPECT_THAT(PopError(), HasSubstr("beyond the end of its indirect table"));
}

// KE-15.
TEST_F(SplitQueueTest, IndirectLoop) {
  ring_.SetDescriptor(0, {kTable, 16, kDescriptorIndirect, 0});
  SetIndirect(0, {kBuffer, 1, kDescriptorNext, 0});
  ring_.MakeAvailable(0);

  EXPECT_THAT(PopError(), HasSubstr("more descriptors than the queue"));
}

TEST_F(SplitQueueTest, IndirectTableOutsideMemory) {
  ring_.SetDescriptor(0, {0x1FFF8, 16, kDescriptorIndirect, 0});
  ring_.MakeAvailable(0);

  EXPECT_THAT(PopError(), HasSubstr("not in guest memory"));
}

TEST_F(SplitQueueTest, IndirectTableAtTheEndOfTheAddressSpace) {
  ring_.SetDescriptor(0, {~uint64_t{15}, 0xFFFFFFF0, kDescriptorIndirect, 0});
  ring_.MakeAvailable(0);

  EXPECT_THAT(PopError(), HasSubstr("not in guest memory"));
}

TEST_F(SplitQueueTest, PositionGoesOnAcrossTheIndexWrap) {
  queue_ = Make(memory_, ring_, kVirtioVersion1, {.available = 0xFFFF, .used = 0xFFFF});
  ring_.SetAvailableIndex(0xFFFF);
  ring_.SetDescriptor(3, {kBuffer, 1, kDescriptorWrite, 0});
  ring_.SetDescriptor(4, {kBuffer, 1, kDescriptorWrite, 0});
  ring_.MakeAvailable(3);
  ring_.MakeAvailable(4);

  std::move(*queue_.Pop()).Complete();
  std::move(*queue_.Pop()).Complete();

  EXPECT_EQ(ring_.used_index(), 1);
  EXPECT_EQ(queue_.position(), (QueuePosition{.available = 1, .used = 1}));
}

TEST_F(SplitQueueTest, EventIndexIsWrittenWhereTheDriverLooks) {
  queue_ = Make(memory_, ring_, kVirtioVersion1 | kVirtioEventIndex);
  ring_.SetDescriptor(0, {kBuffer, 1, 0, 0});
  ring_.MakeAvailable(0);

  std::move(*queue_.Pop()).Complete();
  queue_.DisableKicks();
  EXPECT_FALSE(queue_.EnableKicks());

  EXPECT_EQ(ring_.available_event(), 1);
  EXPECT_EQ(ring_.used_flags(), 0);
}

// The largest number of descriptors that chains may hold is reached long before the slots are.
TEST(SplitQueueMemoryTest, DescriptorsInFlightAreBounded) {
  constexpr uint32_t kBig = 32768;
  const GuestMemory memory = GuestMemory::Create({{{GuestAddress{0}, 0x400000}}}, {}).value();
  RawSplitRing ring(memory, GuestAddress{0}, kBig);
  VirtQueue queue =
      VirtQueue::Create(memory, {.layout = ring.layout(), .features = kVirtioIndirectDescriptors})
          .value();
  const uint64_t table = 0x200000;
  for (uint32_t i = 0; i < kBig; ++i) {
    const uint16_t flags = i + 1 < kBig ? kDescriptorNext : 0;
    ASSERT_TRUE(memory
                    .WriteObject(GuestAddress{table + uint64_t{i} * kDescriptorSize},
                                 SplitDescriptor{0, 1, flags, static_cast<uint16_t>(i + 1)})
                    .ok());
  }
  for (uint16_t i = 0; i < 64; ++i) {
    ring.SetDescriptor(i, {table, kBig * kDescriptorSize, kDescriptorIndirect, 0});
    ring.MakeAvailable(i);
  }

  std::vector<ReadableChain> held;
  while (auto chain = queue.Pop()) held.push_back(*std::move(chain));

  EXPECT_EQ(held.size(), 32u);
  EXPECT_THAT(std::string(queue.error()), HasSubstr("too many descriptors"));
}

}  // namespace
}  // namespace touchstone
