// Queues whose process dies, and the ones that take over.

#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "base/memory/guest_window.h"
#include "devices/virtio/core/inflight_layout.h"
#include "devices/virtio/core/virt_queue.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/driver_queue.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr GuestMemory::RegionSpec kRegion = {GuestAddress{0x10000}, 0x100000};
constexpr uint32_t kSize = 8;
constexpr uint64_t kShared = 0x2000;  // Bytes of the memory that outlives queues.

// The queue of a process.
struct Process {
  explicit Process(VirtQueue made) : queue(std::move(made)) {}

  // Pops the next chain, which the driver knows by this id.
  uint16_t Pop() {
    chains.push_back(*queue->Pop());
    return chains.back().id();
  }
  std::vector<uint16_t> PopAll() {
    std::vector<uint16_t> ids;
    while (std::optional<ReadableChain> chain = queue->Pop()) {
      ids.push_back(chain->id());
      chains.push_back(*std::move(chain));
    }
    return ids;
  }
  void Complete(uint16_t id) {
    for (auto chain = chains.begin(); chain != chains.end(); ++chain) {
      if (chain->id() != id) continue;
      std::move(*chain).Complete();
      chains.erase(chain);
      return;
    }
    FAIL() << "chain " << id << " is not in flight";
  }
  // It is killed: nothing of what it holds goes back.
  void Die() {
    queue.reset();
    chains.clear();
  }

  std::optional<VirtQueue> queue;
  std::vector<ReadableChain> chains;
};

// Parameters: the kind of ring, and how many requests came and went before.
class InflightTest : public testing::TestWithParam<std::tuple<uint64_t, int>> {
 protected:
  InflightTest()
      : memory_(GuestMemory::Create({kRegion}, {}).value()),
        shared_(GuestMemory::Create({{GuestAddress{0}, kShared}}, {}).value()),
        driver_(memory_, kRegion, kSize, features()) {
    Process process = Start();
    for (int i = 0; i < std::get<1>(GetParam()); ++i) {
      Send();
      process.Complete(process.Pop());
      EXPECT_TRUE(driver_.PollUsed().has_value());
    }
    position_ = process.queue->position();
  }

  static uint64_t features() { return std::get<0>(GetParam()) | kVirtioIndirectDescriptors; }
  static bool packed() { return (features() & kVirtioPackedRing) != 0; }

  [[nodiscard]] GuestWindow Window(uint32_t entries = kSize) const {
    return GuestWindow::Create(shared_, GuestAddress{0}, InflightBytes(entries, packed()), 8)
        .value();
  }
  [[nodiscard]] absl::StatusOr<VirtQueue> Make(uint32_t entries = kSize) const {
    // The position is the one of long ago.
    return VirtQueue::Create(memory_, {.layout = driver_.layout(),
                                       .features = features(),
                                       .position = {},
                                       .inflight = Window(entries)});
  }
  [[nodiscard]] Process Start() const { return Process(Make().value()); }

  uint16_t Send(int buffers = 1) {
    DriverQueue::Builder chain = driver_.Chain();
    for (int i = 0; i < buffers; ++i) chain.Readable({uint8_t{1}, uint8_t{2}});
    return chain.Send();
  }
  std::vector<uint16_t> Used() {
    std::vector<uint16_t> ids;
    while (std::optional<DriverQueue::Used> used = driver_.PollUsed()) ids.push_back(used->id);
    return ids;
  }
  std::vector<uint8_t> SharedBytes() const {
    std::vector<uint8_t> bytes(kShared);
    EXPECT_TRUE(shared_.Read(GuestAddress{0}, absl::MakeSpan(bytes)).ok());
    return bytes;
  }

  GuestMemory memory_;
  GuestMemory shared_;
  DriverQueue driver_;
  QueuePosition position_;
};

TEST_P(InflightTest, WhatWasInFlightComesAgainOldestFirst) {
  Process first = Start();
  const uint16_t a = Send();
  const uint16_t b = Send(2);
  const uint16_t c = Send();
  EXPECT_THAT(first.PopAll(), ElementsAre(a, b, c));
  first.Complete(b);
  const uint16_t d = Send();
  first.Die();
  Process second = Start();

  EXPECT_THAT(second.PopAll(), ElementsAre(a, c, d));
  EXPECT_THAT(Used(), ElementsAre(b));
  for (const uint16_t id : {d, c, a}) second.Complete(id);
  EXPECT_THAT(Used(), ElementsAre(d, c, a));
  const uint16_t e = Send();
  EXPECT_THAT(second.PopAll(), ElementsAre(e));
}

TEST_P(InflightTest, NothingInFlightChangesNothing) {
  Process process = Start();

  EXPECT_EQ(process.queue->position(), position_);
  EXPECT_FALSE(process.queue->Pop().has_value());
  EXPECT_FALSE(process.queue->EnableKicks());
}

TEST_P(InflightTest, KicksStayEnabledWhileChainsComeAgain) {
  Process first = Start();
  Send();
  first.PopAll();
  first.Die();
  Process second = Start();

  EXPECT_TRUE(second.queue->EnableKicks());
  second.PopAll();
  EXPECT_FALSE(second.queue->EnableKicks());
}

// Process after process dies with the same chains, and what is in the ring is long overwritten.
TEST_P(InflightTest, ChainsSurviveManyProcesses) {
  const uint16_t kept = Send(3);
  const uint16_t also_kept = driver_.Chain().Readable({7, 8, 9}).Indirect().Send();
  for (int i = 0; i < 20; ++i) {
    SCOPED_TRACE(i);
    Process process = Start();
    ASSERT_THAT(process.PopAll(), ElementsAre(kept, also_kept));
    const uint16_t other = Send();
    ASSERT_THAT(process.PopAll(), ElementsAre(other));
    process.Complete(other);
    ASSERT_THAT(Used(), ElementsAre(other));
    process.Die();
  }
  Process last = Start();
  ASSERT_THAT(last.PopAll(), ElementsAre(kept, also_kept));

  uint8_t bytes[3] = {};
  EXPECT_TRUE(last.chains[1].Read(absl::MakeSpan(bytes)).ok());
  EXPECT_THAT(bytes, ElementsAre(7, 8, 9));
  EXPECT_EQ(last.chains[0].readable(), 6u);
  last.Complete(kept);
  last.Complete(also_kept);
  EXPECT_THAT(Used(), ElementsAre(kept, also_kept));
}

TEST_P(InflightTest, AChainThatWasPutBackIsNotInFlight) {
  Process first = Start();
  const uint16_t a = Send();
  first.queue->PutBack(std::move(*first.queue->Pop()).IntoWritable());
  first.Die();
  Process second = Start();
  const uint16_t b = Send();

  EXPECT_THAT(second.PopAll(), ElementsAre(a, b));
  second.Die();
  // Those that came again go back as well.
  Process third = Start();
  EXPECT_EQ(third.Pop(), a);
  EXPECT_EQ(third.Pop(), b);
  third.queue->PutBack(std::move(third.chains.back()).IntoWritable());
  third.chains.pop_back();
  third.queue->PutBack(std::move(third.chains.back()).IntoWritable());
  third.chains.pop_back();
  EXPECT_THAT(third.PopAll(), ElementsAre(a, b));
  third.Complete(a);
  third.Complete(b);
  EXPECT_THAT(Used(), ElementsAre(a, b));
}

TEST_P(InflightTest, SeveralAtOneMoment) {
  Process first = Start();
  const uint16_t a = Send();
  const uint16_t b = Send();
  const uint16_t c = Send();
  first.PopAll();
  std::vector<WritableChain> batch;
  batch.push_back(std::move(first.chains[2]).IntoWritable());
  batch.push_back(std::move(first.chains[0]).IntoWritable());
  WritableChain::CompleteAll(absl::MakeSpan(batch));
  first.Die();
  Process second = Start();

  EXPECT_THAT(Used(), ElementsAre(c, a));
  EXPECT_THAT(second.PopAll(), ElementsAre(b));
}

// The process died after the driver could see the chain, and before all of that was noted: each
// note of the return is taken back, one byte at a time from the last on.
TEST_P(InflightTest, AReturnThatWasNotNoted) {
  Process first = Start();
  const uint16_t a = Send();
  const uint16_t b = Send();
  first.PopAll();
  const std::vector<uint8_t> before = SharedBytes();
  first.Complete(a);
  std::vector<uint8_t> after = SharedBytes();
  first.Die();
  // What follows the ring's own index or flags: the mark of the chain, and what is used. The rest
  // was noted before.
  const std::vector<size_t> late =
      packed() ? std::vector<size_t>{14, 15, 18, 19, 21} : std::vector<size_t>{14, 15};
  for (const size_t at : late) after[at] = before[at];
  const uint32_t entry_size = packed() ? 32 : 16;
  for (size_t at = entry_size; at < InflightBytes(kSize, packed()); at += entry_size) {
    after[at] = before[at];
  }
  ASSERT_TRUE(shared_.Write(GuestAddress{0}, after).ok());
  Process second = Start();

  EXPECT_THAT(Used(), ElementsAre(a));
  EXPECT_THAT(second.PopAll(), ElementsAre(b));
  second.Complete(b);
  EXPECT_THAT(Used(), ElementsAre(b));
}

// It died when all was noted, and the driver cannot see the chain.
TEST_P(InflightTest, AReturnThatWasNotSeen) {
  Process first = Start();
  const uint16_t a = Send();
  const uint16_t b = Send();
  first.PopAll();
  std::vector<uint8_t> ring(0x1000);
  ASSERT_TRUE(memory_.Read(kRegion.start, absl::MakeSpan(ring)).ok());
  const std::vector<uint8_t> before = SharedBytes();
  first.Complete(a);
  std::vector<uint8_t> after = SharedBytes();
  first.Die();
  ASSERT_TRUE(memory_.Write(kRegion.start, ring).ok());
  const std::vector<size_t> late =
      packed() ? std::vector<size_t>{14, 15, 18, 19, 21} : std::vector<size_t>{14, 15};
  for (const size_t at : late) after[at] = before[at];
  const uint32_t entry_size = packed() ? 32 : 16;
  for (size_t at = entry_size; at < InflightBytes(kSize, packed()); at += entry_size) {
    after[at] = before[at];
  }
  ASSERT_TRUE(shared_.Write(GuestAddress{0}, after).ok());
  Process second = Start();

  EXPECT_THAT(Used(), IsEmpty());
  EXPECT_THAT(second.PopAll(), ElementsAre(a, b));
  second.Complete(b);
  second.Complete(a);
  EXPECT_THAT(Used(), ElementsAre(b, a));
}

TEST_P(InflightTest, AFullRing) {
  Process first = Start();
  std::vector<uint16_t> sent;
  for (uint32_t i = 0; i < kSize; ++i) sent.push_back(Send());
  EXPECT_EQ(first.PopAll(), sent);
  first.Die();
  Process second = Start();

  EXPECT_EQ(second.PopAll(), sent);
  for (const uint16_t id : sent) second.Complete(id);
  EXPECT_EQ(Used(), sent);
}

TEST_P(InflightTest, ASmallerRingThanTheRegion) {
  ASSERT_TRUE(shared_.Fill(GuestAddress{0}, kShared, 0).ok());
  Process first = Process(VirtQueue::Create(memory_, {.layout = driver_.layout(),
                                                      .features = features(),
                                                      .position = position_,
                                                      .inflight = Window(64)})
                              .value());
  const uint16_t a = Send();
  first.PopAll();
  first.Die();
  Process second = Process(Make(64).value());

  EXPECT_THAT(second.PopAll(), ElementsAre(a));
  EXPECT_THAT(Make(4).status().message(), HasSubstr("4 entries for a ring of 8"));
  EXPECT_THAT(Make(32).status().message(), HasSubstr("with 64 entries, not 32"));
}

// A front end may write there what it likes.
TEST_P(InflightTest, AnyBytesAreAnErrorOrSomeChains) {
  Process first = Start();
  for (int i = 0; i < 4; ++i) Send();
  first.PopAll();
  first.Complete(first.chains[1].id());
  first.Die();
  const std::vector<uint8_t> good = SharedBytes();
  int errors = 0;
  for (size_t at = 0; at < InflightBytes(kSize, packed()); ++at) {
    for (const uint8_t value : {0x00, 0x01, 0x07, 0x7F, 0xFF}) {
      std::vector<uint8_t> bytes = good;
      bytes[at] = value;
      ASSERT_TRUE(shared_.Write(GuestAddress{0}, bytes).ok());
      absl::StatusOr<VirtQueue> queue = Make();
      if (!queue.ok()) {
        ++errors;
        continue;
      }
      for (uint32_t i = 0; i <= kSize; ++i) {
        if (std::optional<ReadableChain> chain = queue->Pop()) std::move(*chain).Complete();
      }
      EXPECT_LE(queue->in_flight(), kSize);
    }
  }
  EXPECT_GT(errors, 0);
}

INSTANTIATE_TEST_SUITE_P(Rings, InflightTest,
                         testing::Combine(testing::Values(uint64_t{0}, kVirtioPackedRing,
                                                          kVirtioEventIndex),
                                          testing::Values(0, 5, 8, 13)));

}  // namespace
}  // namespace touchstone
