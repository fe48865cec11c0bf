// What split and packed rings have in common, with a driver that does it right.

#include "devices/virtio/core/virt_queue.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <iterator>
#include <new>
#include <numeric>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/log.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/driver_queue.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {
uint64_t allocations = 0;
}  // namespace

// Sanitizers make system calls of their own: for fake stacks, for shadow memory.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kMakesOnlyItsOwnSystemCalls = false;
#else
constexpr bool kMakesOnlyItsOwnSystemCalls = true;
#endif

// ThreadSanitizer's own operator new cannot be replaced.
#if __has_feature(thread_sanitizer)
constexpr bool kCountsAllocations = false;
#else
constexpr bool kCountsAllocations = true;

// Counts what the hot path must not do.
void* operator new(size_t size) {
  ++allocations;
  void* const memory = malloc(size);
  CHECK(memory != nullptr);
  return memory;
}
void operator delete(void* memory) noexcept { free(memory); }
void operator delete(void* memory, size_t) noexcept { free(memory); }
#endif

namespace touchstone {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

constexpr GuestMemory::RegionSpec kRegion = {GuestAddress{0x10000}, 0x200000};

GuestMemory Memory() { return GuestMemory::Create({kRegion}, {.track_dirty = true}).value(); }

std::vector<uint8_t> Pattern(size_t size) {
  std::vector<uint8_t> bytes(size);
  std::iota(bytes.begin(), bytes.end(), uint8_t{1});
  return bytes;
}

// Parameters: features that decide the kind of ring, queue size.
class VirtQueueTest : public testing::TestWithParam<std::tuple<uint64_t, uint32_t>> {
 protected:
  static uint64_t features() { return std::get<0>(GetParam()); }
  static uint32_t size() { return std::get<1>(GetParam()); }
  static bool packed() { return (features() & kVirtioPackedRing) != 0; }

  VirtQueue Make(QueuePosition position = {}) const {
    return VirtQueue::Create(
               memory_, {.layout = driver_.layout(), .features = features(), .position = position})
        .value();
  }

  // Reads all, answers with the sum, completes.
  static void Serve(ReadableChain chain) {
    std::vector<uint8_t> bytes(chain.readable());
    ASSERT_TRUE(chain.Read(absl::MakeSpan(bytes)).ok());
    WritableChain answer = std::move(chain).IntoWritable();
    ASSERT_TRUE(answer.WriteObject(std::accumulate(bytes.begin(), bytes.end(), uint8_t{0})).ok());
    std::move(answer).Complete();
  }

  GuestMemory memory_ = Memory();
  DriverQueue driver_{memory_, kRegion, size(), features()};
};

TEST_P(VirtQueueTest, EmptyQueueHasNoChain) {
  VirtQueue queue = Make();

  EXPECT_FALSE(queue.Pop().has_value());
  EXPECT_FALSE(queue.broken());
  EXPECT_EQ(queue.in_flight(), 0u);
  EXPECT_EQ(queue.error(), "");
}

TEST_P(VirtQueueTest, OneDescriptorToRead) {
  VirtQueue queue = Make();
  const uint16_t id = driver_.Chain().Readable({1, 2, 3}).Send();

  std::optional<ReadableChain> chain = queue.Pop();
  ASSERT_TRUE(chain.has_value());
  EXPECT_EQ(chain->readable(), 3u);
  EXPECT_EQ(chain->writable(), 0u);
  EXPECT_EQ(chain->id(), id);
  EXPECT_EQ(*chain->ReadObject<uint8_t>(), 1);
  EXPECT_EQ(queue.in_flight(), 1u);
  std::move(*chain).Complete();

  const auto used = driver_.PollUsed();
  ASSERT_TRUE(used.has_value());
  EXPECT_EQ(used->id, id);
  EXPECT_EQ(used->length, 0u);
  EXPECT_EQ(queue.in_flight(), 0u);
}

TEST_P(VirtQueueTest, OneDescriptorToWrite) {
  VirtQueue queue = Make();
  driver_.Chain().Writable(5).Send();

  WritableChain chain = std::move(*queue.Pop()).IntoWritable();
  EXPECT_EQ(chain.writable(), 5u);
  ASSERT_TRUE(chain.WriteObject<uint16_t>(0x0201).ok());
  EXPECT_EQ(chain.written(), 2u);
  std::move(chain).Complete();

  const auto used = driver_.PollUsed();
  EXPECT_EQ(used->length, 2u);
  EXPECT_THAT(used->data, ElementsAre(1, 2, 0, 0, 0));
}

TEST_P(VirtQueueTest, DroppedChainGoesBackEmptyAndIsCounted) {
  VirtQueue queue = Make();
  driver_.Chain().Writable(5).Send();

  {
    WritableChain chain = std::move(*queue.Pop()).IntoWritable();
    ASSERT_TRUE(chain.WriteObject<uint8_t>(9).ok());
  }

  EXPECT_EQ(driver_.PollUsed()->length, 0u);
  EXPECT_EQ(queue.stats().dropped, 1u);
  EXPECT_EQ(queue.stats().completed, 1u);
  EXPECT_EQ(queue.in_flight(), 0u);
}

TEST_P(VirtQueueTest, AssigningOverAChainDropsIt) {
  if (size() < 2) GTEST_SKIP() << "needs two chains";
  VirtQueue queue = Make();
  driver_.Chain().Writable(1).Send();
  driver_.Chain().Writable(1).Send();

  std::optional<ReadableChain> chain = queue.Pop();
  *chain = *queue.Pop();

  EXPECT_EQ(queue.stats().dropped, 1u);
  EXPECT_EQ(queue.in_flight(), 1u);
}

// The 16-bit indices of a split ring wrap, and a packed ring goes round many times.
TEST_P(VirtQueueTest, GoesOnBehind65536Chains) {
  VirtQueue queue = Make();

  for (uint32_t i = 0; i < 65536 + 100; ++i) {
    driver_.Chain().Writable(2).Send();
    WritableChain chain = std::move(*queue.Pop()).IntoWritable();
    ASSERT_TRUE(chain.WriteObject(static_cast<uint16_t>(i)).ok());
    std::move(chain).Complete();
    const std::optional<DriverQueue::Used> used = driver_.PollUsed();
    ASSERT_TRUE(used.has_value());
    ASSERT_THAT(used->data, ElementsAre(i & 0xFF, i >> 8 & 0xFF));
  }

  EXPECT_FALSE(queue.broken());
  EXPECT_EQ(queue.stats().completed, 65636u);
}

TEST_P(VirtQueueTest, ServesAFullQueueAgainAndAgain) {
  VirtQueue queue = Make();

  for (int lap = 0; lap < 5; ++lap) {
    while (driver_.room() > 0) driver_.Chain().Writable(1).Send();
    int served = 0;
    while (auto chain = queue.Pop()) {
      Serve(*std::move(chain));
      ++served;
    }
    ASSERT_EQ(served, size());
    while (driver_.PollUsed().has_value()) --served;
    ASSERT_EQ(served, 0);
  }
}

TEST_P(VirtQueueTest, ChainsCompleteInAnyOrder) {
  if (size() < 3) GTEST_SKIP() << "needs three chains";
  VirtQueue queue = Make();
  std::vector<uint16_t> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(driver_.Chain().Writable(1).Send());
  std::vector<WritableChain> chains;
  while (auto chain = queue.Pop()) chains.push_back(std::move(*chain).IntoWritable());

  std::move(chains[2]).Complete();
  std::move(chains[0]).Complete();
  std::move(chains[1]).Complete();

  EXPECT_EQ(driver_.PollUsed()->id, ids[2]);
  EXPECT_EQ(driver_.PollUsed()->id, ids[0]);
  EXPECT_EQ(driver_.PollUsed()->id, ids[1]);
}

TEST_P(VirtQueueTest, ChainsThatBelongTogetherComeBackInTheirOrder) {
  VirtQueue queue = Make();
  for (int lap = 0; lap < 3; ++lap) {
    std::vector<uint16_t> sent;
    std::vector<WritableChain> chains;
    for (uint32_t i = 0; i + 1 < size(); ++i) {
      sent.push_back(driver_.Chain().Writable(4).Send());
      chains.push_back(std::move(*queue.Pop()).IntoWritable());
      ASSERT_TRUE(chains.back().WriteObject<uint16_t>(static_cast<uint16_t>(i)).ok());
    }

    WritableChain::CompleteAll(absl::MakeSpan(chains));

    for (const uint16_t id : sent) {
      const auto used = driver_.PollUsed();
      ASSERT_TRUE(used.has_value());
      EXPECT_EQ(used->id, id);
      EXPECT_EQ(used->length, 2u);
    }
    EXPECT_EQ(queue.in_flight(), 0u);
  }
  EXPECT_EQ(queue.stats().dropped, 0u);
}

TEST_P(VirtQueueTest, NothingBelongsTogetherWithNothing) {
  WritableChain::CompleteAll({});

  EXPECT_FALSE(driver_.PollUsed().has_value());
}

TEST_P(VirtQueueTest, WhatIsPutBackIsPoppedAgain) {
  if (size() < 2) GTEST_SKIP() << "needs two descriptors";
  VirtQueue queue = Make();
  for (int lap = 0; lap < 40; ++lap) {
    const uint16_t id = driver_.Chain().Readable({7}).Writable(1).Send();
    const QueuePosition before = queue.position();

    queue.PutBack(std::move(*queue.Pop()).IntoWritable());

    EXPECT_EQ(queue.position(), before);
    EXPECT_EQ(queue.in_flight(), 0u);
    std::optional<ReadableChain> again = queue.Pop();
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->id(), id);
    EXPECT_EQ(again->readable(), 1u);
    std::move(*again).Complete();
    ASSERT_TRUE(driver_.PollUsed().has_value());
  }
  EXPECT_EQ(queue.stats().popped, 40u);
  EXPECT_EQ(queue.stats().completed, 40u);
}

TEST_P(VirtQueueTest, SeveralArePutBackFromTheLastToTheFirst) {
  if (size() < 2) GTEST_SKIP() << "needs two chains";
  VirtQueue queue = Make();
  const uint16_t first = driver_.Chain().Writable(1).Send();
  driver_.Chain().Writable(1).Send();
  WritableChain one = std::move(*queue.Pop()).IntoWritable();
  WritableChain two = std::move(*queue.Pop()).IntoWritable();

  queue.PutBack(std::move(two));
  queue.PutBack(std::move(one));

  EXPECT_EQ(queue.Pop()->id(), first);
}

TEST_P(VirtQueueTest, BuffersAreOneStreamHoweverTheyAreCut) {
  if (size() < 8) GTEST_SKIP() << "needs a long chain";
  VirtQueue queue = Make();
  driver_.Chain()
      .Readable({1})
      .Readable({2, 3, 4})
      .Readable({})
      .Readable({5, 6})
      .Writable(1)
      .Writable(0)
      .Writable(3)
      .Writable(2)
      .Send();

  ReadableChain chain = *queue.Pop();
  EXPECT_EQ(chain.readable(), 6u);
  EXPECT_EQ(chain.writable(), 6u);
  EXPECT_EQ(*chain.ReadObject<uint16_t>(), 0x0201);
  ASSERT_TRUE(chain.Skip(1).ok());
  EXPECT_EQ(*chain.ReadObject<uint16_t>(), 0x0504);
  WritableChain answer = std::move(chain).IntoWritable();
  ASSERT_TRUE(answer.Write(Pattern(5)).ok());
  EXPECT_EQ(answer.writable(), 1u);
  std::move(answer).Complete();

  const auto used = driver_.PollUsed();
  EXPECT_EQ(used->length, 5u);
  EXPECT_THAT(used->data, ElementsAre(1, 2, 3, 4, 5, 0));
}

TEST_P(VirtQueueTest, TooLongAccessesConsumeNothing) {
  if (size() < 2) GTEST_SKIP() << "needs two descriptors";
  VirtQueue queue = Make();
  driver_.Chain().Readable({1, 2}).Writable(2).Send();
  std::vector<uint8_t> three(3);

  ReadableChain chain = *queue.Pop();
  EXPECT_EQ(chain.Read(absl::MakeSpan(three)).code(), absl::StatusCode::kOutOfRange);
  EXPECT_FALSE(chain.Skip(3).ok());
  EXPECT_FALSE(chain.Slices(3).ok());
  EXPECT_EQ(chain.readable(), 2u);
  WritableChain answer = std::move(chain).IntoWritable();
  EXPECT_EQ(answer.Write(three).code(), absl::StatusCode::kOutOfRange);
  EXPECT_FALSE(answer.Skip(3).ok());
  EXPECT_FALSE(answer.Commit(3).ok());
  EXPECT_FALSE(answer.Slices(UINT64_MAX).ok());
  EXPECT_EQ(answer.writable(), 2u);
  EXPECT_EQ(answer.written(), 0u);
}

TEST_P(VirtQueueTest, SlicesAreForSystemCallsAndCommitCounts) {
  if (size() < 4) GTEST_SKIP() << "needs four descriptors";
  VirtQueue queue = Make();
  driver_.Chain().Readable({1, 2}).Readable({3, 4}).Writable(4).Writable(4).Send();

  ReadableChain chain = *queue.Pop();
  const GuestMemory::SliceList source = chain.Slices(3).value();
  ASSERT_THAT(source, SizeIs(2));
  EXPECT_EQ(source[1].iov_len, 1u);
  EXPECT_EQ(chain.readable(), 4u);
  WritableChain answer = std::move(chain).IntoWritable();
  const GuestMemory::SliceList slices = answer.Slices(6).value();
  ASSERT_THAT(slices, SizeIs(2));
  memset(slices[0].iov_base, 7, slices[0].iov_len);
  memset(slices[1].iov_base, 8, slices[1].iov_len);
  memory_.regions()[0].dirty->Take();
  ASSERT_TRUE(answer.Commit(6).ok());
  ASSERT_TRUE(answer.WriteObject<uint8_t>(9).ok());
  std::move(answer).Complete();

  const auto used = driver_.PollUsed();
  EXPECT_EQ(used->length, 7u);
  EXPECT_THAT(used->data, ElementsAre(7, 7, 7, 7, 8, 8, 9, 0));
}

TEST_P(VirtQueueTest, WhatFollowsASkipIsNotCountedAsWritten) {
  VirtQueue queue = Make();
  driver_.Chain().Writable(6).Send();

  WritableChain answer = std::move(*queue.Pop()).IntoWritable();
  ASSERT_TRUE(answer.Skip(0).ok());
  ASSERT_TRUE(answer.WriteObject<uint8_t>(1).ok());
  ASSERT_TRUE(answer.Skip(3).ok());
  ASSERT_TRUE(answer.WriteObject<uint16_t>(0x0202).ok());
  std::move(answer).Complete();

  const auto used = driver_.PollUsed();
  EXPECT_EQ(used->length, 1u);
  EXPECT_THAT(used->data, ElementsAre(1, 0, 0, 0, 2, 2));
}

TEST_P(VirtQueueTest, WhatIsSkippedAsTouchedIsDirtyAndNotWritten) {
  VirtQueue queue = Make();
  driver_.Chain().Writable(6).Send();

  WritableChain answer = std::move(*queue.Pop()).IntoWritable();
  memory_.regions()[0].dirty->Take();
  EXPECT_FALSE(answer.SkipTouched(7).ok());
  ASSERT_TRUE(answer.SkipTouched(5).ok());
  const std::vector<uint64_t> dirty = memory_.regions()[0].dirty->Take();
  ASSERT_TRUE(answer.WriteObject<uint8_t>(1).ok());
  std::move(answer).Complete();

  EXPECT_NE(dirty, std::vector<uint64_t>(dirty.size()));
  const auto used = driver_.PollUsed();
  EXPECT_EQ(used->length, 0u);
  EXPECT_THAT(used->data, ElementsAre(0, 0, 0, 0, 0, 1));
}

TEST_P(VirtQueueTest, IndirectChainOfAsManyDescriptorsAsTheQueue) {
  if ((features() & kVirtioIndirectDescriptors) == 0) GTEST_SKIP() << "no indirect descriptors";
  VirtQueue queue = Make();

  for (int lap = 0; lap < 3; ++lap) {
    DriverQueue::Builder builder = driver_.Chain();
    for (uint32_t i = 1; i < size(); ++i) builder.Readable({static_cast<uint8_t>(i)});
    builder.Writable(1).Indirect().Send();
    ReadableChain chain = *queue.Pop();
    ASSERT_EQ(chain.readable(), size() - 1);
    Serve(std::move(chain));

    const auto used = driver_.PollUsed();
    ASSERT_EQ(used->length, 1u);
    ASSERT_EQ(used->data[0], static_cast<uint8_t>(size() * (size() - 1) / 2));
  }
}

TEST_P(VirtQueueTest, GoesOnWhereItStopped) {
  std::optional<QueuePosition> position;
  for (uint32_t i = 0; i < 3 * size() + 1; ++i) {
    VirtQueue queue = Make(position.value_or(QueuePosition{}));
    driver_.Chain().Writable(1).Send();
    Serve(*queue.Pop());
    position = queue.position();
    ASSERT_TRUE(driver_.PollUsed().has_value());
    ASSERT_FALSE(queue.Pop().has_value());
  }
}

TEST_P(VirtQueueTest, ChainsOutliveTheirQueue) {
  std::optional<VirtQueue> queue = Make();
  driver_.Chain().Writable(4).Send();
  std::optional<WritableChain> chain = std::move(*queue->Pop()).IntoWritable();

  queue.reset();
  ASSERT_TRUE(chain->WriteObject<uint8_t>(1).ok());
  std::move(*chain).Complete();

  EXPECT_FALSE(driver_.PollUsed().has_value());
}

TEST_P(VirtQueueTest, MovedQueueKeepsItsChains) {
  VirtQueue first = Make();
  driver_.Chain().Writable(1).Send();
  std::optional<ReadableChain> chain = first.Pop();

  const VirtQueue second = std::move(first);
  Serve(*std::move(chain));

  EXPECT_EQ(second.in_flight(), 0u);
  EXPECT_EQ(driver_.PollUsed()->length, 1u);
}

TEST_P(VirtQueueTest, KicksAreAskedForOrNot) {
  if (size() < 4) GTEST_SKIP() << "needs four chains";
  VirtQueue queue = Make();

  ASSERT_FALSE(queue.EnableKicks());
  driver_.Chain().Writable(1).Send();
  EXPECT_TRUE(driver_.NeedsKick());
  queue.DisableKicks();
  Serve(*queue.Pop());
  driver_.Chain().Writable(1).Send();
  EXPECT_FALSE(driver_.NeedsKick());
  EXPECT_TRUE(queue.EnableKicks());
  Serve(*queue.Pop());
  ASSERT_FALSE(queue.EnableKicks());
  driver_.Chain().Writable(1).Send();

  EXPECT_TRUE(driver_.NeedsKick());
}

TEST_P(VirtQueueTest, SignalsAreWantedOrNot) {
  if (size() < 4) GTEST_SKIP() << "needs four chains";
  VirtQueue queue = Make();
  driver_.EnableSignals(true);

  EXPECT_FALSE(queue.NeedsSignal());
  driver_.Chain().Writable(1).Send();
  Serve(*queue.Pop());
  EXPECT_TRUE(queue.NeedsSignal());
  EXPECT_FALSE(queue.NeedsSignal());
  ASSERT_TRUE(driver_.PollUsed().has_value());
  driver_.EnableSignals(false);
  driver_.Chain().Writable(1).Send();
  Serve(*queue.Pop());
  EXPECT_FALSE(queue.NeedsSignal());
}

// Each lap ends at another place of the ring, on both sides of its end.
TEST_P(VirtQueueTest, SignalOfABatchCrossesTheEndOfTheRing) {
  if (size() < 4) GTEST_SKIP() << "needs four chains";
  VirtQueue queue = Make();

  for (uint32_t lap = 0; lap < 2 * size(); ++lap) {
    driver_.EnableSignals(true);
    for (int i = 0; i < 3; ++i) driver_.Chain().Writable(1).Send();
    ASSERT_TRUE(queue.EnableKicks());
    while (auto chain = queue.Pop()) Serve(*std::move(chain));
    ASSERT_TRUE(queue.NeedsSignal());
    ASSERT_FALSE(queue.NeedsSignal());
    while (driver_.PollUsed().has_value()) continue;
    ASSERT_FALSE(queue.EnableKicks());
    driver_.Chain().Writable(1).Send();
    ASSERT_TRUE(driver_.NeedsKick());
    Serve(*queue.Pop());
    ASSERT_TRUE(driver_.PollUsed().has_value());
    static_cast<void>(queue.NeedsSignal());
  }
}

TEST_P(VirtQueueTest, ShortChainsNeedNoAllocation) {
  if (!kCountsAllocations) GTEST_SKIP() << "allocations are not counted";
  VirtQueue queue = Make();
  driver_.Chain().Writable(1).Send();
  const uint64_t before = allocations;

  WritableChain chain = std::move(*queue.Pop()).IntoWritable();
  const absl::Status written = chain.WriteObject<uint8_t>(1);
  std::move(chain).Complete();
  const bool signal = queue.NeedsSignal();
  const bool more = queue.EnableKicks();

  EXPECT_EQ(allocations, before);
  EXPECT_TRUE(written.ok());
  EXPECT_TRUE(signal);
  EXPECT_FALSE(more);
}

TEST_P(VirtQueueTest, LongChainsNeedNoAllocationOnceOneWasServed) {
  if (!kCountsAllocations) GTEST_SKIP() << "allocations are not counted";
  if (size() < 32) GTEST_SKIP() << "needs a long chain";
  VirtQueue queue = Make();
  const auto send = [this] {
    DriverQueue::Builder builder = driver_.Chain();
    for (int i = 0; i < 30; ++i) builder.Writable(1);
    builder.Send();
  };
  send();
  std::move(*queue.Pop()).Complete();
  ASSERT_TRUE(driver_.PollUsed().has_value());
  send();
  const uint64_t before = allocations;

  std::move(*queue.Pop()).Complete();

  EXPECT_EQ(allocations, before);
}

TEST_P(VirtQueueTest, ChainsInFlightNeedNoAllocationOnceThereWereAsMany) {
  if (!kCountsAllocations) GTEST_SKIP() << "allocations are not counted";
  VirtQueue queue = Make();
  std::vector<ReadableChain> chains;
  chains.reserve(size());
  const auto fill_and_empty = [&] {
    for (uint32_t i = 0; i < size(); ++i) chains.push_back(*queue.Pop());
    chains.clear();
  };
  const auto send_all = [this] {
    for (uint32_t i = 0; i < size(); ++i) driver_.Chain().Writable(1).Send();
  };
  send_all();
  fill_and_empty();
  while (driver_.PollUsed().has_value()) continue;
  send_all();
  const uint64_t before = allocations;

  fill_and_empty();

  EXPECT_EQ(allocations, before);
  EXPECT_EQ(queue.stats().completed, 2 * size());
}

// From here on this process may only end.
void ForbidSystemCalls() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  const sock_fprog filter = {std::size(program), program};
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
}

TEST_P(VirtQueueTest, ShortChainsNeedNoSystemCall) {
  if (!kMakesOnlyItsOwnSystemCalls) GTEST_SKIP() << "a sanitizer makes system calls";
  VirtQueue queue = Make();
  driver_.Chain().Readable({1}).Send();
  const auto serve = [&queue] {
    ForbidSystemCalls();
    queue.DisableKicks();
    ReadableChain chain = *queue.Pop();
    const bool read = chain.ReadObject<uint8_t>().ok();
    std::move(chain).Complete();
    _exit(read && queue.NeedsSignal() && !queue.EnableKicks() ? 7 : 1);
  };

  EXPECT_EXIT(serve(), testing::ExitedWithCode(7), "");
}

TEST(SystemCallDeathTest, ASystemCallWouldBeSeen) {
  const auto call = [] {
    ForbidSystemCalls();
    syscall(SYS_getpid);
  };

  EXPECT_EXIT(call(), testing::KilledBySignal(SIGSYS), "");
}

TEST_P(VirtQueueTest, RefusesAreasThatAreNotAllGuestMemory) {
  const QueueLayout good = driver_.layout();
  const uint64_t end = Raw(kRegion.start) + kRegion.size;
  const auto code = [this](const QueueLayout& layout) {
    return VirtQueue::Create(memory_, {.layout = layout, .features = features()}).status().code();
  };

  for (GuestAddress QueueLayout::* area :
       {&QueueLayout::descriptors, &QueueLayout::driver, &QueueLayout::device}) {
    for (const uint64_t address : {uint64_t{0}, uint64_t{0xFFF0}, end, ~uint64_t{15}}) {
      QueueLayout bad = good;
      bad.*area = GuestAddress{address};
      EXPECT_EQ(code(bad), absl::StatusCode::kOutOfRange) << address;
    }
    QueueLayout odd = good;
    odd.*area = odd.*area + 1;
    EXPECT_EQ(code(odd), absl::StatusCode::kInvalidArgument);
  }
}

// KE-17: the ring starts in memory and ends in it, with a hole between.
TEST_P(VirtQueueTest, RefusesAreasWithAHoleInside) {
  const GuestMemory memory =
      GuestMemory::Create({{{GuestAddress{0x10000}, 0x1000}, {GuestAddress{0x12000}, 0x10000}}}, {})
          .value();
  QueueLayout layout = driver_.layout();
  layout.size = 1024;
  layout.descriptors = GuestAddress{0x10FF0};
  layout.driver = GuestAddress{0x18000};
  layout.device = GuestAddress{0x1A000};

  const absl::Status status =
      VirtQueue::Create(memory, {.layout = layout, .features = features()}).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("descriptor area"));
}

// KE-18: nothing is ever divided by a size of 0.
TEST_P(VirtQueueTest, RefusesImpossibleSizes) {
  QueueLayout layout = driver_.layout();
  const auto code = [&](uint32_t size) {
    layout.size = size;
    return VirtQueue::Create(memory_, {.layout = layout, .features = features()}).status().code();
  };

  EXPECT_EQ(code(0), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(32769), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(65536), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(UINT32_MAX), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(3), packed() ? absl::StatusCode::kOk : absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(32768), absl::StatusCode::kOk);
}

constexpr uint64_t kSplit = kVirtioVersion1;
constexpr uint64_t kPacked = kVirtioVersion1 | kVirtioPackedRing;
constexpr uint64_t kExtras = kVirtioEventIndex | kVirtioIndirectDescriptors;

INSTANTIATE_TEST_SUITE_P(Split, VirtQueueTest,
                         testing::Combine(testing::Values(kSplit, kSplit | kExtras),
                                          testing::Values(1, 4, 64)));
INSTANTIATE_TEST_SUITE_P(Packed, VirtQueueTest,
                         testing::Combine(testing::Values(kPacked, kPacked | kExtras),
                                          testing::Values(1, 5, 64)));

}  // namespace
}  // namespace touchstone
