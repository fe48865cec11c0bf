#include "devices/virtio/balloon/balloon.h"

#include <optional>
#include <string>
#include <vector>

#include "base/endian.h"
#include "base/event/manual_loop.h"
#include "devices/virtio/balloon/balloon.pb.h"
#include "devices/virtio/balloon/balloon_protocol.h"
#include "devices/virtio/balloon/balloon_testing.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/guest_driver.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

constexpr uint64_t kPage = kBalloonPageSize;
constexpr uint64_t kAllFeatures = ~uint64_t{0} & ~kVirtioPackedRing;
constexpr Balloon::Options kOptions = {.memory_size = kFakeMemorySize, .page_reporting = true};

class BalloonTest : public testing::Test {
 protected:
  void Start(uint64_t features = kAllFeatures) {
    guest_.emplace(test_.device(), GuestDriver::Options{.features = features});
    guest_->Start();
    loop_.RunReady();
  }
  void Kick(uint16_t queue) {
    guest_->Kick(queue);
    loop_.RunReady();
  }
  void Send(uint16_t queue, const std::vector<uint32_t>& frames) {
    std::vector<Le32> numbers(frames.begin(), frames.end());
    guest_->queue(queue)
        .Chain()
        .Readable({reinterpret_cast<const uint8_t*>(numbers.data()), 4 * numbers.size()})
        .Send();
    Kick(queue);
  }
  void SendStatistics(const std::vector<BalloonStatistic>& statistics) {
    guest_->queue(2)
        .Chain()
        .Readable({reinterpret_cast<const uint8_t*>(statistics.data()),
                   sizeof(BalloonStatistic) * statistics.size()})
        .Send();
    Kick(2);
  }
  bool Returned(uint16_t queue) { return guest_->queue(queue).PollUsed().has_value(); }
  void Ask() {
    balloon_.RequestStatistics([this](absl::optional<BalloonStatistics> statistics) {
      answers_.push_back(std::move(statistics));
    });
    loop_.RunReady();
  }
  uint32_t Config(uint32_t offset) {
    Le32 value;
    balloon_.ReadConfig(offset, {reinterpret_cast<uint8_t*>(&value), 4});
    return value;
  }
  void SetActual(uint32_t pages) {
    const Le32 value = pages;
    balloon_.WriteConfig(4, {reinterpret_cast<const uint8_t*>(&value), 4});
  }

  ManualLoop loop_;
  BalloonUnderTest test_{loop_, kOptions};
  Balloon& balloon_ = test_.balloon();
  std::optional<GuestDriver> guest_;
  std::vector<absl::optional<BalloonStatistics>> answers_;
};

TEST_F(BalloonTest, IsWhatADriverExpects) {
  EXPECT_EQ(balloon_.device_id(), 5u);
  EXPECT_THAT(balloon_.max_queue_sizes(), ElementsAre(128, 128, 128, 128));
  EXPECT_EQ(balloon_.features(), kVirtioVersion1 | kVirtioEventIndex | kBalloonMustTellHost |
                                     kBalloonStatistics | kBalloonDeflateOnOom |
                                     kBalloonPageReporting);
}

TEST_F(BalloonTest, OffersOnlyWhatItIsTo) {
  BalloonUnderTest plain(loop_, {.memory_size = kPage, .strict = true});

  EXPECT_THAT(plain.balloon().max_queue_sizes(), ElementsAre(128, 128, 128));
  EXPECT_EQ(plain.balloon().features(), kVirtioVersion1 | kVirtioEventIndex | kBalloonMustTellHost |
                                            kBalloonStatistics | kBalloonResponsiveDevice);
}

TEST_F(BalloonTest, TargetIsInTheConfigurationAndSignalled) {
  Start();
  balloon_.SetTarget(10 * kPage + 100);
  balloon_.SetTarget(10 * kPage);

  EXPECT_EQ(Config(0), 10u);
  EXPECT_EQ(balloon_.target(), 10 * kPage);
  EXPECT_EQ(guest_->interrupt().config_signals(), 1);
}

TEST_F(BalloonTest, TargetIsNeverMoreThanTheMemory) {
  balloon_.SetTarget(~uint64_t{0});

  EXPECT_EQ(balloon_.target(), kFakeMemorySize);
}

TEST_F(BalloonTest, BeginsWithATarget) {
  BalloonUnderTest begun(loop_, {.memory_size = kFakeMemorySize, .target = 3 * kPage});

  EXPECT_EQ(begun.balloon().target(), 3 * kPage);
}

// KE-40: whatever the driver says.
TEST_F(BalloonTest, ActualIsWhatTheDriverSays) {
  SetActual(0xFFFFFFFF);
  EXPECT_EQ(balloon_.actual(), 0xFFFFFFFFull * kPage);

  const uint8_t byte = 0x12;
  balloon_.WriteConfig(5, {&byte, 1});
  balloon_.WriteConfig(0, {&byte, 1});
  balloon_.WriteConfig(8, {&byte, 1});
  const std::vector<uint8_t> many(64, 0);
  balloon_.WriteConfig(7, many);

  EXPECT_EQ(Config(4), 0x00FF12FFu);
  EXPECT_EQ(Config(0), 0u);
}

TEST_F(BalloonTest, InflatedPagesAreReleasedInRanges) {
  Start();
  Send(0, {9, 3, 5, 4, 100, 8});

  EXPECT_TRUE(Returned(0));
  EXPECT_THAT(test_.memory().ranges(),
              ElementsAre(Pair(3 * kPage, 3 * kPage), Pair(8 * kPage, 2 * kPage),
                          Pair(100 * kPage, kPage)));
  EXPECT_EQ(balloon_.counters().released_bytes, 6 * kPage);
}

TEST_F(BalloonTest, ManyPagesAreFewRanges) {
  Start();
  std::vector<uint32_t> frames(100000);
  for (uint32_t i = 0; i < frames.size(); ++i) frames[i] = 100000 - i;
  Send(0, frames);

  EXPECT_TRUE(Returned(0));
  EXPECT_EQ(balloon_.counters().released_bytes, 100000 * kPage);
  EXPECT_LE(balloon_.counters().releases, 100u);
}

// KE-40: page numbers that are no memory, the same ones again and again, and a broken list.
TEST_F(BalloonTest, NonsenseCostsNothing) {
  Start();
  Send(0, {7, 7, 7, 0xD0000, 0xFFFFFFFF, 7});
  guest_->queue(0).Chain().Readable({1, 2, 3}).Send();
  guest_->queue(0).Chain().Writable(8).Send();
  Kick(0);

  EXPECT_TRUE(Returned(0) && Returned(0) && Returned(0));
  EXPECT_EQ(balloon_.counters().released_bytes, kPage);
  EXPECT_EQ(balloon_.counters().foreign_bytes, 2 * kPage);
}

TEST_F(BalloonTest, LongRunsOfAPageHideNoOther) {
  Start();
  std::vector<uint32_t> frames(3000, 7);
  frames[1000] = 9;
  frames[2999] = 20;
  Send(0, frames);

  EXPECT_TRUE(Returned(0));
  EXPECT_THAT(test_.memory().ranges(),
              ElementsAre(Pair(7 * kPage, kPage), Pair(9 * kPage, kPage), Pair(20 * kPage, kPage)));
}

TEST_F(BalloonTest, HostThatRefusesIsCounted) {
  Start();
  test_.memory().Refuse(true);
  Send(0, {1, 3});

  EXPECT_TRUE(Returned(0));
  EXPECT_EQ(balloon_.counters().failures, 2u);
  EXPECT_EQ(balloon_.counters().released_bytes, 0u);
}

TEST_F(BalloonTest, LongListsTakeTurns) {
  Start();
  std::vector<uint32_t> frames(60000, 1);
  guest_->queue(0)
      .Chain()
      .Readable({reinterpret_cast<const uint8_t*>(frames.data()), 4 * frames.size()})
      .Send();
  guest_->Kick(0);

  EXPECT_GE(loop_.RunReady(), 4);
  EXPECT_TRUE(Returned(0));
}

TEST_F(BalloonTest, StopInALongListGivesItBack) {
  Start();
  std::vector<uint32_t> frames(60000, 1);
  guest_->queue(0)
      .Chain()
      .Readable({reinterpret_cast<const uint8_t*>(frames.data()), 4 * frames.size()})
      .Send();
  guest_->Kick(0);
  while (balloon_.counters().releases == 0) loop_.Advance(absl::ZeroDuration());

  EXPECT_TRUE(balloon_.StopQueue(0).ok());

  EXPECT_TRUE(Returned(0));
}

TEST_F(BalloonTest, DeflatedPagesComeBackByThemselves) {
  Start();
  Send(1, {1, 2, 3});

  EXPECT_TRUE(Returned(1));
  EXPECT_THAT(test_.memory().ranges(), IsEmpty());
}

TEST_F(BalloonTest, StatisticsAreFetchedOnRequest) {
  Start();
  SendStatistics({{.tag = 4, .value = 1000}});
  EXPECT_FALSE(Returned(2));

  Ask();
  EXPECT_TRUE(Returned(2));
  EXPECT_THAT(answers_, IsEmpty());
  SendStatistics({{.tag = 4, .value = 2000}, {.tag = 0, .value = 1}, {.tag = 999, .value = 5}});

  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0]->Get(BalloonTag::kFreeMemory), 2000u);
  EXPECT_EQ(answers_[0]->Get(BalloonTag::kSwapIn), 1u);
  EXPECT_FALSE(answers_[0]->Get(BalloonTag::kTotalMemory).has_value());
}

TEST_F(BalloonTest, RequestBeforeTheDriverHasABufferWaitsForIt) {
  Start();
  Ask();
  SendStatistics({{.tag = 4, .value = 1}});
  EXPECT_TRUE(Returned(2));
  SendStatistics({{.tag = 4, .value = 2}});

  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0]->Get(BalloonTag::kFreeMemory), 2u);
}

TEST_F(BalloonTest, DriverThatDoesNotAnswerHasNoStatistics) {
  Start();
  SendStatistics({});
  Ask();
  Ask();
  loop_.Advance(Balloon::kStatisticsPatience);

  ASSERT_EQ(answers_.size(), 2u);
  EXPECT_FALSE(answers_[0].has_value() || answers_[1].has_value());
}

TEST_F(BalloonTest, NoDriverNoStatistics) {
  Ask();
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_FALSE(answers_[0].has_value());
}

TEST_F(BalloonTest, RequestsAreBounded) {
  Start();
  for (size_t i = 0; i < Balloon::kMaxRequests + 1; ++i) Ask();

  EXPECT_EQ(answers_.size(), 1u);
}

TEST_F(BalloonTest, EndlessStatisticsAreCutShort) {
  Start();
  SendStatistics(std::vector<BalloonStatistic>(5000, {.tag = 4, .value = 1}));
  SendStatistics({{.tag = 4, .value = 1}});

  EXPECT_TRUE(Returned(2));
}

TEST_F(BalloonTest, ReportedPagesAreReleased) {
  Start();
  guest_->queue(3).Chain().Writable(2 << 12).Writable(3 << 12).Send();
  Kick(3);

  EXPECT_TRUE(Returned(3));
  EXPECT_GE(balloon_.counters().released_bytes, 3 * kPage);
  for (const auto& [start, size] : test_.memory().ranges()) {
    EXPECT_EQ(start % kPage, 0u);
    EXPECT_EQ(size % kPage, 0u);
  }
}

TEST_F(BalloonTest, ReportOfLessThanAPageReleasesNothing) {
  Start();
  guest_->queue(3).Chain().Writable(100).Send();
  Kick(3);

  EXPECT_THAT(test_.memory().ranges(), IsEmpty());
}

// Queues have no gaps: without statistics, reporting is the third.
TEST_F(BalloonTest, QueuesAreThoseOfTheFeatures) {
  Start(kAllFeatures & ~kBalloonStatistics);
  guest_->queue(2).Chain().Writable(3 << 12).Send();
  guest_->queue(3).Chain().Writable(3 << 12).Send();
  Kick(2);
  Kick(3);

  EXPECT_TRUE(Returned(2) && Returned(3));
  EXPECT_EQ(test_.memory().ranges().size(), 1u);
}

TEST_F(BalloonTest, ResetEmptiesTheBalloon) {
  int changes = 0;
  balloon_.OnChange([&changes] { ++changes; });
  Start();
  EXPECT_TRUE(balloon_.active());
  SetActual(5);
  balloon_.SetTarget(7 * kPage);
  balloon_.Reset();

  EXPECT_EQ(balloon_.actual(), 0u);
  EXPECT_EQ(balloon_.target(), 7 * kPage);
  EXPECT_FALSE(balloon_.active());
  EXPECT_EQ(changes, 3);
  balloon_.OnChange(nullptr);
}

TEST_F(BalloonTest, StateSurvivesAMove) {
  SetActual(5);
  balloon_.SetTarget(7 * kPage);
  const std::string state = balloon_.Save().value();
  BalloonUnderTest other(loop_, kOptions);

  ASSERT_TRUE(other.balloon().Restore(state).ok());

  EXPECT_EQ(other.balloon().actual(), 5 * kPage);
  EXPECT_EQ(other.balloon().target(), 7 * kPage);
  EXPECT_EQ(other.balloon().Save().value(), state);
}

TEST_F(BalloonTest, GarbageIsNoState) {
  BalloonState state;
  state.set_version(1);
  state.set_actual(0);
  EXPECT_FALSE(balloon_.Restore(state.SerializeAsString()).ok());
  state.set_target(kFakeMemorySize / kPage + 1);
  EXPECT_FALSE(balloon_.Restore(state.SerializeAsString()).ok());
  state.set_target(0);
  state.set_version(2);
  EXPECT_FALSE(balloon_.Restore(state.SerializeAsString()).ok());
  EXPECT_FALSE(balloon_.Restore("").ok());
  EXPECT_FALSE(balloon_.Restore(std::string(5000, '\xFF')).ok());
}

TEST(BalloonStatisticsTest, IsJsonInCrosvmsWords) {
  BalloonStatistics statistics;
  statistics.Set({.tag = 0, .value = 7});
  statistics.Set({.tag = 65535, .value = ~uint64_t{0}});

  EXPECT_EQ(statistics.ToJson(),
            "{\"swap_in\":7,\"swap_out\":null,\"major_faults\":null,\"minor_faults\":null,"
            "\"free_memory\":null,\"total_memory\":null,\"available_memory\":null,"
            "\"disk_caches\":null,\"hugetlb_allocations\":null,\"hugetlb_failures\":null,"
            "\"shared_memory\":null,\"unevictable_memory\":18446744073709551615}");
}

}  // namespace
}  // namespace touchstone
