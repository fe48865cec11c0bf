#include "devices/virtio/block/block.h"

#include <errno.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/event/manual_loop.h"
#include "devices/virtio/block/block_testing.h"
#include "devices/virtio/block/fake_block_io.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/guest_driver.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;
using testing::SizeIs;
using Kind = BlockOperation::Kind;

constexpr uint64_t kSectors = 64;
constexpr uint8_t kOk = static_cast<uint8_t>(BlockStatus::kOk);
constexpr uint8_t kIoError = static_cast<uint8_t>(BlockStatus::kIoError);
constexpr uint8_t kUnsupported = static_cast<uint8_t>(BlockStatus::kUnsupported);
constexpr uint64_t kAllFeatures = ~uint64_t{0} & ~kVirtioPackedRing & ~kVirtioIndirectDescriptors;

std::vector<uint8_t> Pattern(size_t size) {
  std::vector<uint8_t> bytes(size);
  std::iota(bytes.begin(), bytes.end(), uint8_t{1});
  return bytes;
}

// A device over a fake disk, and its driver.
struct Rig {
  explicit Rig(BlockDisk disk, uint64_t features = kAllFeatures)
      : block(loop, std::move(disk), fake.Maker()),
        guest(block, {.features = features, .queue_memory = 2 << 20}) {
    guest.Start();
    loop.RunReady();
  }

  void Run() {
    guest.Kick(0);
    loop.RunReady();
  }
  std::optional<DriverQueue::Used> Serve() {
    Run();
    return guest.queue(0).PollUsed();
  }
  DriverQueue::Used Read(uint64_t sector, uint32_t size) {
    guest.queue(0)
        .Chain()
        .Readable(HeaderBytes(BlockRequestType::kIn, sector))
        .Writable(size)
        .Writable(1)
        .Send();
    return *Serve();
  }
  uint8_t Write(uint64_t sector, const std::vector<uint8_t>& data) {
    guest.queue(0)
        .Chain()
        .Readable(HeaderBytes(BlockRequestType::kOut, sector))
        .Readable(data)
        .Writable(1)
        .Send();
    return Serve()->data.back();
  }
  uint8_t Plain(BlockRequestType type, const std::vector<uint8_t>& data = {}) {
    guest.queue(0).Chain().Readable(HeaderBytes(type)).Readable(data).Writable(1).Send();
    return Serve()->data.back();
  }
  BlockConfigSpace Config() {
    BlockConfigSpace config;
    block.ReadConfig(0, absl::MakeSpan(reinterpret_cast<uint8_t*>(&config), sizeof(config)));
    return config;
  }
  void SetWriteback(uint8_t value) { block.WriteConfig(kBlockWritebackOffset, {&value, 1}); }

  ManualLoop loop;
  FakeDisk fake{kSectors * kBlockSector};
  Block block;
  GuestDriver guest;
};

// The largest ring that there is, with many more requests than a queue of the usual size.
TEST(BlockQueueSizeTest, ARingOf32768) {
  ManualLoop loop;
  FakeDisk fake(kSectors * kBlockSector);
  std::iota(fake.bytes.begin(), fake.bytes.end(), uint8_t{0});
  Block block(loop, {.sectors = kSectors, .queues = 1, .queue_size = 32768}, fake.Maker());
  GuestDriver guest(block, {.features = kAllFeatures, .queue_memory = 16 << 20});
  guest.Start();
  ASSERT_EQ(guest.queue(0).layout().size, 32768u);
  constexpr int kRequests = 2000;
  for (int i = 0; i < kRequests; ++i) {
    guest.queue(0)
        .Chain()
        .Readable(HeaderBytes(BlockRequestType::kIn, static_cast<uint64_t>(i) % kSectors))
        .Writable(kBlockSector)
        .Writable(1)
        .Send();
  }
  guest.Kick(0);
  loop.RunReady();
  int good = 0;
  while (const std::optional<DriverQueue::Used> used = guest.queue(0).PollUsed()) {
    if (used->length == kBlockSector + 1 && used->data.back() == kOk) ++good;
  }

  EXPECT_EQ(good, kRequests);
}

// What rings of each kind have in common.
class BlockTest : public testing::TestWithParam<uint64_t> {
 protected:
  Rig rig_{{.sectors = kSectors, .packed_ring = true, .id = "DISK1"}, GetParam()};
};

TEST_P(BlockTest, ReadsWhatIsThere) {
  std::iota(rig_.fake.bytes.begin(), rig_.fake.bytes.end(), uint8_t{0});

  const DriverQueue::Used used = rig_.Read(2, 1024);

  EXPECT_EQ(used.length, 1025u);
  EXPECT_TRUE(std::equal(used.data.begin(), used.data.end() - 1, rig_.fake.bytes.begin() + 1024));
  EXPECT_EQ(used.data.back(), kOk);
}

TEST_P(BlockTest, WritesWhatItIsGiven) {
  const std::vector<uint8_t> data = Pattern(1536);

  EXPECT_EQ(rig_.Write(61, data), kOk);

  EXPECT_TRUE(std::equal(data.begin(), data.end(), rig_.fake.bytes.begin() + 61 * 512));
  EXPECT_THAT(std::vector<uint8_t>(rig_.fake.bytes.begin(), rig_.fake.bytes.begin() + 61 * 512),
              Each(0));
}

// Virtio 1.2, 2.7.4.2: how the driver cut its buffers does not matter.
TEST_P(BlockTest, FramingDoesNotMatter) {
  const std::vector<uint8_t> header = HeaderBytes(BlockRequestType::kOut, 1);
  const std::vector<uint8_t> data = Pattern(512);
  std::vector<uint8_t> start = header;
  start.insert(start.end(), data.begin(), data.begin() + 100);
  rig_.guest.queue(0)
      .Chain()
      .Readable(absl::MakeConstSpan(start).first(7))
      .Readable(absl::MakeConstSpan(start).subspan(7))
      .Readable(absl::MakeConstSpan(data).subspan(100))
      .Writable(1)
      .Send();
  EXPECT_EQ(rig_.Serve()->data.back(), kOk);

  rig_.guest.queue(0)
      .Chain()
      .Readable(HeaderBytes(BlockRequestType::kIn, 1))
      .Writable(3)
      .Writable(510)
      .Send();
  const DriverQueue::Used used = *rig_.Serve();

  EXPECT_TRUE(std::equal(data.begin(), data.end(), used.data.begin()));
  EXPECT_EQ(used.data.back(), kOk);
}

TEST_P(BlockTest, SaysItsId) {
  rig_.guest.queue(0)
      .Chain()
      .Readable(HeaderBytes(BlockRequestType::kGetId))
      .Writable(20)
      .Writable(1)
      .Send();

  const DriverQueue::Used used = *rig_.Serve();

  EXPECT_EQ(used.length, 21u);
  EXPECT_EQ(std::string(used.data.begin(), used.data.begin() + 6), std::string("DISK1\0", 6));
  EXPECT_EQ(used.data.back(), kOk);
}

TEST_P(BlockTest, ABatchIsOneSubmission) {
  for (int i = 0; i < 50; ++i) {
    rig_.guest.queue(0)
        .Chain()
        .Readable(HeaderBytes(BlockRequestType::kIn, 0))
        .Writable(513)
        .Send();
  }
  rig_.fake.submits = 0;

  rig_.Run();

  EXPECT_EQ(rig_.fake.submits, 1);
  EXPECT_THAT(rig_.fake.seen, SizeIs(50));
}

TEST_P(BlockTest, CompletesInAnyOrderAndInterrupts) {
  rig_.fake.hold = true;
  rig_.guest.queue(0).EnableSignals(true);
  auto send = [&](uint64_t sector) {
    return rig_.guest.queue(0)
        .Chain()
        .Readable(HeaderBytes(BlockRequestType::kIn, sector))
        .Writable(513)
        .Send();
  };
  const uint16_t first = send(0);
  const uint16_t second = send(1);
  EXPECT_FALSE(rig_.Serve().has_value());

  rig_.fake.FinishAll();
  rig_.loop.RunReady();

  EXPECT_EQ(rig_.guest.queue(0).PollUsed()->id, second);
  EXPECT_EQ(rig_.guest.queue(0).PollUsed()->id, first);
  EXPECT_EQ(rig_.guest.interrupt().queue_signals(0), 1);
}

TEST_P(BlockTest, StopDrains) {
  rig_.fake.hold = true;
  rig_.guest.queue(0).Chain().Readable(HeaderBytes(BlockRequestType::kIn)).Writable(513).Send();
  ASSERT_FALSE(rig_.Serve().has_value());

  const absl::StatusOr<QueuePosition> position = rig_.block.StopQueue(0);

  EXPECT_TRUE(position.ok());
  EXPECT_EQ(rig_.fake.waits, 1);
  EXPECT_EQ(rig_.guest.queue(0).PollUsed()->data.back(), kOk);
  rig_.fake.hold = false;
  rig_.guest.StartQueue(0, *position);
  EXPECT_EQ(rig_.Read(0, 512).data.back(), kOk);
}

// KE-32: buffers of a driver that is gone are not written to.
TEST_P(BlockTest, ResetWaitsForWhatIsInFlight) {
  rig_.fake.hold = true;
  rig_.guest.queue(0).Chain().Readable(HeaderBytes(BlockRequestType::kIn)).Writable(513).Send();
  ASSERT_FALSE(rig_.Serve().has_value());

  rig_.block.Reset();

  EXPECT_EQ(rig_.fake.waits, 1);
  rig_.fake.FinishAll();
  rig_.fake.hold = false;
  rig_.guest.Start();
  rig_.loop.RunReady();
  EXPECT_EQ(rig_.Read(0, 512).data.back(), kOk);
}

INSTANTIATE_TEST_SUITE_P(Rings, BlockTest,
                         testing::Values(kAllFeatures, kAllFeatures | kVirtioIndirectDescriptors,
                                         kAllFeatures | kVirtioPackedRing,
                                         kVirtioPackedRing | kVirtioIndirectDescriptors,
                                         uint64_t{0}));

TEST(BlockConfigTest, SaysWhatTheDiskIs) {
  Rig rig({.sectors = kSectors, .block_size = 4096, .queues = 3});

  const BlockConfigSpace config = rig.Config();

  EXPECT_EQ(rig.block.device_id(), 2u);
  EXPECT_THAT(rig.block.max_queue_sizes(), ElementsAre(256, 256, 256));
  EXPECT_EQ(config.capacity, kSectors);
  EXPECT_EQ(config.block_size, 4096u);
  EXPECT_EQ(config.seg_max, 254u);
  EXPECT_EQ(config.num_queues, 3u);
  EXPECT_EQ(config.writeback, 1);
  EXPECT_EQ(config.max_discard_segments, 32u);
  EXPECT_EQ(config.discard_sector_alignment, 128u);
  EXPECT_EQ(config.write_zeroes_may_unmap, 1);
}

TEST(BlockConfigTest, FeaturesFollowTheDisk) {
  const uint64_t always = kVirtioVersion1 | kVirtioEventIndex | kVirtioIndirectDescriptors |
                          kBlockSegmentMax | kBlockBlockSize | kBlockMultiQueue;
  const uint64_t writable = always | kBlockFlush | kBlockConfigWriteback | kBlockWriteZeroes;

  EXPECT_EQ(Rig({.sectors = 1}).block.features(), writable | kBlockDiscard);
  EXPECT_EQ(Rig({.sectors = 1, .sparse = false}).block.features(), writable);
  EXPECT_EQ(Rig({.sectors = 1, .read_only = true}).block.features(), always | kBlockReadOnly);
  EXPECT_EQ(Rig({.sectors = 1, .read_only = true, .packed_ring = true}).block.features(),
            always | kBlockReadOnly | kVirtioPackedRing);
}

TEST(BlockConfigTest, AccessesBeyondTheEndAreHarmless) {
  Rig rig({.sectors = kSectors});
  std::vector<uint8_t> bytes(8);

  rig.block.ReadConfig(56, absl::MakeSpan(bytes));
  EXPECT_THAT(bytes, ElementsAre(1, 0, 0, 0, 0, 0, 0, 0));
  rig.block.ReadConfig(0xffffffff, absl::MakeSpan(bytes));
  rig.block.WriteConfig(0xfffffffc, bytes);
  rig.block.WriteConfig(28, std::vector<uint8_t>(4, 0));
  rig.block.WriteConfig(33, std::vector<uint8_t>(4, 0));
  rig.block.WriteConfig(32, {});

  EXPECT_EQ(rig.Config().writeback, 1);
}

TEST(BlockConfigTest, WideWritesReachTheCacheMode) {
  Rig rig({.sectors = kSectors});

  rig.block.WriteConfig(30, std::vector<uint8_t>(4, 0));

  EXPECT_EQ(rig.Config().writeback, 0);
}

TEST(BlockRequestTest, ZeroBytesAreReadAndWritten) {
  Rig rig({.sectors = kSectors});
  rig.guest.queue(0).Chain().Readable(HeaderBytes(BlockRequestType::kIn, 3)).Writable(1).Send();

  EXPECT_EQ(rig.Serve()->data.back(), kOk);
  EXPECT_EQ(rig.Write(kSectors, {}), kOk);
  EXPECT_THAT(rig.fake.seen, IsEmpty());
}

// KE-30: starts inside and ends outside, or overflows on the way.
TEST(BlockRequestTest, NothingBeyondTheDisk) {
  Rig rig({.sectors = kSectors});

  EXPECT_EQ(rig.Read(kSectors - 1, 1024).data.back(), kIoError);
  EXPECT_EQ(rig.Read(kSectors, 512).data.back(), kIoError);
  EXPECT_EQ(rig.Read(~uint64_t{0}, 512).data.back(), kIoError);
  EXPECT_EQ(rig.Read(uint64_t{1} << 55, 512).data.back(), kIoError);
  EXPECT_EQ(rig.Write(kSectors - 1, std::vector<uint8_t>(1024)), kIoError);
  EXPECT_EQ(rig.Write(~uint64_t{0} / 512, std::vector<uint8_t>(512)), kIoError);
  EXPECT_THAT(rig.fake.seen, IsEmpty());
  EXPECT_EQ(rig.block.stats().refused, 6u);
}

TEST(BlockRequestTest, PartsOfSectorsAreRefused) {
  Rig rig({.sectors = kSectors});

  EXPECT_EQ(rig.Read(0, 511).data.back(), kIoError);
  EXPECT_EQ(rig.Write(0, std::vector<uint8_t>(513)), kIoError);
}

TEST(BlockRequestTest, FailedReadsLeaveTheBufferAlone) {
  Rig rig({.sectors = kSectors});

  const DriverQueue::Used used = rig.Read(kSectors, 512);

  EXPECT_EQ(used.length, 0u);
  EXPECT_THAT(std::vector<uint8_t>(used.data.begin(), used.data.end() - 1), Each(0));
}

TEST(BlockRequestTest, ChainsThatAreNoRequestsComeBack) {
  Rig rig({.sectors = kSectors});

  rig.guest.queue(0).Chain().Readable({0, 0, 0}).Writable(2).Send();
  EXPECT_EQ(rig.Serve()->data, (std::vector<uint8_t>{0, kIoError}));
  rig.guest.queue(0).Chain().Writable(600).Send();
  EXPECT_EQ(rig.Serve()->data.back(), kIoError);
  rig.guest.queue(0).Chain().Readable(HeaderBytes(BlockRequestType::kOut)).Send();
  EXPECT_EQ(rig.Serve()->length, 0u);
  EXPECT_EQ(rig.block.stats().refused, 3u);
}

TEST(BlockRequestTest, UnknownTypesAreUnsupported) {
  Rig rig({.sectors = kSectors});

  EXPECT_EQ(rig.Plain(static_cast<BlockRequestType>(2)), kUnsupported);
  EXPECT_EQ(rig.Plain(static_cast<BlockRequestType>(14)), kUnsupported);
  EXPECT_EQ(rig.Plain(static_cast<BlockRequestType>(0xffffffff)), kUnsupported);
  EXPECT_EQ(rig.Plain(BlockRequestType::kGetId), kUnsupported);
  EXPECT_EQ(rig.block.stats().unsupported, 4u);
}

TEST(BlockRequestTest, ShortRoomForTheIdGetsItsStart) {
  Rig rig({.sectors = kSectors, .id = "0123456789abcdefghij"});
  rig.guest.queue(0).Chain().Readable(HeaderBytes(BlockRequestType::kGetId)).Writable(4).Send();

  EXPECT_EQ(rig.Serve()->data, (std::vector<uint8_t>{'0', '1', '2', kOk}));
}

TEST(BlockRequestTest, ReadOnlyDisksAreOnlyRead) {
  Rig rig({.sectors = kSectors, .read_only = true});

  EXPECT_EQ(rig.Write(0, std::vector<uint8_t>(512)), kIoError);
  EXPECT_EQ(rig.Plain(BlockRequestType::kFlush), kIoError);
  EXPECT_EQ(rig.Plain(BlockRequestType::kDiscard, RangeBytes({{.sector = 0, .sectors = 1}})),
            kIoError);
  EXPECT_EQ(rig.Plain(BlockRequestType::kWriteZeroes, RangeBytes({{.sector = 0, .sectors = 1}})),
            kIoError);
  EXPECT_THAT(rig.fake.seen, IsEmpty());
  EXPECT_EQ(rig.Read(0, 512).data.back(), kOk);
}

TEST(BlockRequestTest, DiscardsAndZeroesRanges) {
  Rig rig({.sectors = kSectors});
  std::fill(rig.fake.bytes.begin(), rig.fake.bytes.end(), uint8_t{9});

  EXPECT_EQ(rig.Plain(BlockRequestType::kDiscard,
                      RangeBytes({{.sector = 1, .sectors = 2}, {.sector = 63, .sectors = 1}})),
            kOk);
  EXPECT_EQ(rig.Plain(BlockRequestType::kWriteZeroes,
                      RangeBytes({{.sector = 4, .sectors = 1, .flags = kBlockRangeUnmap},
                                  {.sector = 5, .sectors = 0},
                                  {.sector = 6, .sectors = 1}})),
            kOk);

  ASSERT_THAT(rig.fake.seen, SizeIs(4));
  EXPECT_THAT(rig.fake.seen[0],
              AllOf(Field(&BlockOperation::kind, Kind::kDiscard),
                    Field(&BlockOperation::offset, 512u), Field(&BlockOperation::size, 1024u)));
  EXPECT_THAT(rig.fake.seen[2], AllOf(Field(&BlockOperation::kind, Kind::kWriteZeroes),
                                      Field(&BlockOperation::may_unmap, true)));
  EXPECT_THAT(rig.fake.seen[3], AllOf(Field(&BlockOperation::kind, Kind::kWriteZeroes),
                                      Field(&BlockOperation::may_unmap, false)));
  EXPECT_EQ(rig.fake.bytes[512 * 5], 9);
  EXPECT_EQ(rig.fake.bytes[512 * 6], 0);
}

TEST(BlockRequestTest, BadRangesAreRefused) {
  Rig rig({.sectors = kSectors});
  const auto plain = [&](std::vector<uint8_t> data) {
    return rig.Plain(BlockRequestType::kWriteZeroes, data);
  };

  EXPECT_EQ(plain({}), kIoError);
  EXPECT_EQ(plain(std::vector<uint8_t>(15)), kIoError);
  EXPECT_EQ(plain(std::vector<uint8_t>(33 * 16)), kIoError);
  EXPECT_EQ(plain(RangeBytes({{.sector = kSectors, .sectors = 1}})), kIoError);
  EXPECT_EQ(
      plain(RangeBytes({{.sector = 0, .sectors = 1}, {.sector = ~uint64_t{0}, .sectors = 2}})),
      kIoError);
  EXPECT_EQ(plain(RangeBytes({{.sector = 0, .sectors = 0xffffffff}})), kIoError);
  // 5.2.6.2: unknown flags, and unmap of a discard.
  EXPECT_EQ(plain(RangeBytes({{.sector = 0, .sectors = 1, .flags = 2}})), kUnsupported);
  EXPECT_EQ(rig.Plain(BlockRequestType::kDiscard,
                      RangeBytes({{.sector = 0, .sectors = 1, .flags = kBlockRangeUnmap}})),
            kUnsupported);
  EXPECT_THAT(rig.fake.seen, IsEmpty());
}

TEST(BlockRequestTest, DiscardsOfDisksThatAreNotSparseDoNothing) {
  Rig rig({.sectors = kSectors, .sparse = false});

  EXPECT_EQ(rig.Plain(BlockRequestType::kDiscard, RangeBytes({{.sector = 1, .sectors = 2}})), kOk);
  EXPECT_THAT(rig.fake.seen, IsEmpty());
  EXPECT_EQ(rig.Plain(BlockRequestType::kWriteZeroes,
                      RangeBytes({{.sector = 4, .sectors = 1, .flags = kBlockRangeUnmap}})),
            kOk);
  EXPECT_FALSE(rig.fake.seen.at(0).may_unmap);
}

TEST(BlockErrorTest, FailingDiskGivesErrorsAndTheDeviceGoesOn) {
  Rig rig({.sectors = kSectors});
  rig.fake.error = EIO;

  EXPECT_EQ(rig.Read(0, 512).data.back(), kIoError);
  EXPECT_EQ(rig.Write(0, std::vector<uint8_t>(512)), kIoError);
  EXPECT_EQ(rig.Plain(BlockRequestType::kFlush), kIoError);
  EXPECT_EQ(rig.Plain(BlockRequestType::kWriteZeroes,
                      RangeBytes({{.sector = 4, .sectors = 1}, {.sector = 6, .sectors = 1}})),
            kIoError);
  EXPECT_EQ(rig.block.stats().failed, 4u);
  rig.fake.error = 0;
  EXPECT_EQ(rig.Read(0, 512).data.back(), kOk);
}

TEST(BlockErrorTest, QueueThatCannotBeMadeFailsItsRequests) {
  Rig rig({.sectors = kSectors});
  rig.fake.no_io = true;
  EXPECT_EQ(rig.Read(0, 512).data.back(), kIoError);
  rig.fake.no_io = false;
  EXPECT_EQ(rig.Read(0, 512).data.back(), kOk);
}

// KE-21: the second time breaks the queue, and the first goes on undisturbed.
TEST(BlockErrorTest, SameHeadTwiceWhileInFlight) {
  Rig rig({.sectors = kSectors, .address_alignment = 4096, .length_alignment = 512}, 0);
  rig.fake.hold = true;
  rig.guest.queue(0).Chain().Readable(HeaderBytes(BlockRequestType::kIn)).Writable(513).Send();
  const QueueLayout layout = rig.guest.queue(0).layout();
  const auto head = rig.guest.memory().ReadObject<Le16>(layout.driver + 4).value();
  ASSERT_TRUE(rig.guest.memory().WriteObject(layout.driver + 6, head).ok());
  ASSERT_TRUE(rig.guest.memory().WriteObject(layout.driver + 2, Le16(2)).ok());

  rig.guest.kick(0).Signal();
  rig.loop.RunReady();
  EXPECT_EQ(rig.guest.interrupt().broken(0), 1);
  EXPECT_THAT(rig.fake.seen, SizeIs(1));
  rig.fake.FinishAll();
  rig.loop.RunReady();

  EXPECT_EQ(rig.guest.queue(0).PollUsed()->data.back(), kOk);
}

TEST(BlockErrorTest, BuffersOutsideOfMemoryAreRefused) {
  Rig rig({.sectors = kSectors}, 0);
  rig.guest.queue(0)
      .Chain()
      .Readable(HeaderBytes(BlockRequestType::kIn))
      .Writable(512)
      .Writable(1)
      .Send();
  const QueueLayout layout = rig.guest.queue(0).layout();
  const auto head = rig.guest.memory().ReadObject<Le16>(layout.driver + 4).value();
  const auto next =
      rig.guest.memory().ReadObject<Le16>(layout.descriptors + head * kDescriptorSize + 14).value();
  ASSERT_TRUE(rig.guest.memory()
                  .WriteObject(layout.descriptors + next * kDescriptorSize, Le64(uint64_t{1} << 40))
                  .ok());

  EXPECT_EQ(rig.Serve()->data.back(), kIoError);
  EXPECT_THAT(rig.fake.seen, IsEmpty());
}

TEST(BlockCacheTest, WriteThroughIsWhatTheDriverChose) {
  Rig rig({.sectors = kSectors});
  rig.Write(0, std::vector<uint8_t>(512));
  rig.SetWriteback(0);
  rig.Write(0, std::vector<uint8_t>(512));
  rig.Plain(BlockRequestType::kWriteZeroes, RangeBytes({{.sector = 0, .sectors = 1}}));
  rig.SetWriteback(7);  // Neither.
  rig.Read(0, 512);
  rig.SetWriteback(1);
  rig.Write(0, std::vector<uint8_t>(512));

  std::vector<bool> durable;
  for (const BlockOperation& operation : rig.fake.seen) durable.push_back(operation.durable);
  EXPECT_THAT(durable, ElementsAre(false, true, true, false, false));
}

// 5.2.6.2: a driver that cannot flush gets write-through.
TEST(BlockCacheTest, DriversWithoutFlushGetWriteThrough) {
  Rig rig({.sectors = kSectors}, 0);
  rig.Write(0, std::vector<uint8_t>(512));
  EXPECT_TRUE(rig.fake.seen.at(0).durable);

  Rig with_flush({.sectors = kSectors}, kBlockFlush);
  with_flush.Write(0, std::vector<uint8_t>(512));
  EXPECT_FALSE(with_flush.fake.seen.at(0).durable);
}

TEST(BlockCacheTest, WhatNobodyFlushedIsFlushedLater) {
  Rig rig({.sectors = kSectors});
  rig.Write(0, std::vector<uint8_t>(512));
  rig.loop.Advance(BlockQueue::kFlushDelay - absl::Seconds(1));
  EXPECT_THAT(rig.fake.seen, SizeIs(1));

  rig.loop.Advance(absl::Seconds(1));

  ASSERT_THAT(rig.fake.seen, SizeIs(2));
  EXPECT_EQ(rig.fake.seen[1].kind, Kind::kFlush);
  rig.loop.Advance(10 * BlockQueue::kFlushDelay);
  EXPECT_THAT(rig.fake.seen, SizeIs(2));
}

TEST(BlockCacheTest, WhatTheDriverFlushedIsNotFlushedAgain) {
  Rig rig({.sectors = kSectors});
  rig.Write(0, std::vector<uint8_t>(512));
  rig.Plain(BlockRequestType::kFlush);

  rig.loop.Advance(2 * BlockQueue::kFlushDelay);

  EXPECT_THAT(rig.fake.seen, SizeIs(2));
}

TEST(BlockCacheTest, StoppingForgetsTheFlush) {
  Rig rig({.sectors = kSectors});
  rig.Write(0, std::vector<uint8_t>(512));
  rig.block.Reset();

  rig.loop.Advance(2 * BlockQueue::kFlushDelay);

  EXPECT_THAT(rig.fake.seen, SizeIs(1));
}

// Buffers of the test's driver are anywhere.
TEST(BlockBounceTest, UnalignedBuffersAreCopied) {
  Rig rig({.sectors = 4096, .address_alignment = 4096, .length_alignment = 512});
  rig.fake.bytes.resize(4096 * 512);
  const std::vector<uint8_t> data = Pattern(3 * BounceBuffers::kSize + 512);

  EXPECT_EQ(rig.Write(8, data), kOk);
  EXPECT_TRUE(std::equal(data.begin(), data.end(), rig.fake.bytes.begin() + 8 * 512));
  const DriverQueue::Used used = rig.Read(8, static_cast<uint32_t>(data.size()));

  EXPECT_EQ(used.length, data.size() + 1);
  EXPECT_TRUE(std::equal(data.begin(), data.end(), used.data.begin()));
  EXPECT_EQ(used.data.back(), kOk);
  EXPECT_EQ(rig.block.stats().bounced, 2u);
  EXPECT_THAT(rig.fake.seen, SizeIs(8));
}

TEST(BlockBounceTest, RequestsWaitForABuffer) {
  Rig rig({.sectors = kSectors, .address_alignment = 4096, .length_alignment = 512});
  rig.fake.hold = true;
  const int requests = static_cast<int>(BounceBuffers::kCount) + 5;
  for (int i = 0; i < requests; ++i) {
    rig.guest.queue(0).Chain().Readable(HeaderBytes(BlockRequestType::kIn)).Writable(513).Send();
  }
  rig.Run();
  EXPECT_THAT(rig.fake.seen, SizeIs(BounceBuffers::kCount));

  rig.fake.FinishAll();
  rig.loop.RunReady();
  EXPECT_THAT(rig.fake.seen, SizeIs(requests));
  ASSERT_TRUE(rig.block.StopQueue(0).ok());

  int used = 0;
  while (rig.guest.queue(0).PollUsed().has_value()) ++used;
  EXPECT_EQ(used, requests);
}

TEST(BlockBounceTest, FailureInTheMiddleEndsTheRequest) {
  Rig rig({.sectors = 4096, .address_alignment = 4096, .length_alignment = 512});
  rig.fake.bytes.resize(4096 * 512);
  rig.fake.error = ENOSPC;

  EXPECT_EQ(rig.Write(0, Pattern(2 * BounceBuffers::kSize)), kIoError);
  EXPECT_THAT(rig.fake.seen, SizeIs(1));
}

TEST(BlockStateTest, CacheModeIsRestored) {
  Rig rig({.sectors = kSectors});
  rig.SetWriteback(0);
  const std::string state = rig.block.Save().value();
  Rig other({.sectors = kSectors});

  ASSERT_TRUE(other.block.Restore(state).ok());

  EXPECT_EQ(other.Config().writeback, 0);
  EXPECT_EQ(other.block.Save().value(), state);
}

TEST(BlockStateTest, OtherDisksAndGarbageAreRefused) {
  Rig rig({.sectors = kSectors});
  const std::string state = rig.block.Save().value();
  Rig other({.sectors = kSectors + 1});

  EXPECT_EQ(other.block.Restore(state).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(rig.block.Restore("").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(rig.block.Restore("garbage").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(rig.block.Restore(state + state).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(rig.Config().writeback, 1);
}

// What older versions saved stays readable.
TEST(BlockStateTest, GoldenState) {
  Rig rig({.sectors = kSectors});

  EXPECT_EQ(rig.block.Save().value(), std::string("\x08\x01\x10\x40\x18\x01", 6));
}

TEST(BlockLoopsTest, QueuesHaveLoopsOfTheirOwn) {
  ManualLoop loop;
  ManualLoop second;
  FakeDisk fake(kSectors * kBlockSector);
  Block block(loop, {.sectors = kSectors, .queues = 3}, fake.Maker(), {&second});
  GuestDriver guest(block, {.features = kAllFeatures});
  guest.Start();
  for (uint16_t queue = 0; queue < 3; ++queue) {
    guest.queue(queue).Chain().Readable(HeaderBytes(BlockRequestType::kIn)).Writable(513).Send();
    guest.Kick(queue);
  }

  loop.RunReady();
  EXPECT_TRUE(guest.queue(0).PollUsed().has_value());
  EXPECT_FALSE(guest.queue(1).PollUsed().has_value());
  EXPECT_TRUE(guest.queue(2).PollUsed().has_value());
  second.RunReady();
  EXPECT_TRUE(guest.queue(1).PollUsed().has_value());
}

// Each look at it takes a while.
class LookedAtClock final : public Clock {
 public:
  absl::Time Now() override { return absl::UnixEpoch(); }
  absl::Duration Monotonic() override {
    ++looks;
    if (looked) looked();
    now_ += absl::Microseconds(10);
    return now_;
  }

  int looks = 0;
  std::function<void()> looked;

 private:
  absl::Duration now_;
};

// A device that looks for requests, and a driver that was served once.
class BlockLooksTest : public testing::Test {
 protected:
  BlockLooksTest() {
    block_.LookFor(absl::Microseconds(32), clock_);
    guest_.Start();
    loop_.RunReady();
  }

  void Send() {
    guest_.queue(0).Chain().Readable(HeaderBytes(BlockRequestType::kIn)).Writable(513).Send();
  }
  void Serve() {
    Send();
    guest_.Kick(0);
    loop_.RunReady();
  }

  LookedAtClock clock_;
  ManualLoop loop_;
  FakeDisk fake_{kSectors * kBlockSector};
  Block block_{loop_, {.sectors = kSectors, .queues = 1}, fake_.Maker()};
  GuestDriver guest_{block_, {.features = kAllFeatures, .queue_memory = 2 << 20}};
};

TEST_F(BlockLooksTest, ADriverThatLooksByItselfNeedNotKick) {
  guest_.queue(0).EnableSignals(false);
  Serve();
  ASSERT_EQ(clock_.looks, 0);  // It is not known yet that it does.
  bool needs_kick = true;
  clock_.looked = [&] {
    if (clock_.looks != 3) return;
    Send();
    needs_kick = guest_.queue(0).NeedsKick();
  };

  Serve();

  EXPECT_FALSE(needs_kick);
  EXPECT_EQ(block_.stats().requests, 3u);
}

TEST_F(BlockLooksTest, LookingEndsAndKicksAreAskedForAgain) {
  guest_.queue(0).EnableSignals(false);
  Serve();

  Serve();
  Send();

  EXPECT_EQ(clock_.looks, 5);
  EXPECT_TRUE(guest_.queue(0).NeedsKick());
  EXPECT_EQ(block_.stats().requests, 2u);
}

TEST_F(BlockLooksTest, LooksInVainBecomeRare) {
  guest_.queue(0).EnableSignals(false);
  Serve();

  std::vector<int> looks;
  for (int i = 0; i < 7; ++i) {
    const int before = clock_.looks;
    Serve();
    looks.push_back(clock_.looks - before);
  }

  EXPECT_THAT(looks, ElementsAre(5, 0, 5, 0, 0, 0, 5));
}

TEST_F(BlockLooksTest, ADriverThatIsCalledIsNotWaitedFor) {
  guest_.queue(0).EnableSignals(true);
  Serve();
  guest_.queue(0).EnableSignals(true);

  Serve();

  EXPECT_EQ(clock_.looks, 0);
}

}  // namespace
}  // namespace touchstone
