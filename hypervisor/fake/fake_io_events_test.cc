#include "hypervisor/fake/fake_io_events.h"

#include <tuple>

#include "gtest/gtest.h"

namespace touchstone {
namespace {

constexpr auto kPort = IoEvent::Space::kPort;
constexpr auto kMmio = IoEvent::Space::kMmio;

class FakeIoEventsTest : public ::testing::Test {
 protected:
  FakeIoEvents events_;
  EventFd event_ = *EventFd::Create();
  EventFd other_event_ = *EventFd::Create();
};

TEST_F(FakeIoEventsTest, MatchingWriteSignals) {
  ASSERT_TRUE(events_.Add({kMmio, 0x1000, 4, 7}, event_).ok());

  EXPECT_TRUE(events_.Write(kMmio, 0x1000, 4, 7));

  EXPECT_EQ(event_.Drain(), 1);
}

// What the write differs in from an event at MMIO 0x1000 of 4 bytes with match 7.
class FakeIoEventsMismatchTest : public FakeIoEventsTest,
                                 public ::testing::WithParamInterface<
                                     std::tuple<IoEvent::Space, uint64_t, uint8_t, uint64_t>> {};

TEST_P(FakeIoEventsMismatchTest, OtherWriteDoesNotSignal) {
  const auto [space, address, size, value] = GetParam();
  ASSERT_TRUE(events_.Add({kMmio, 0x1000, 4, 7}, event_).ok());

  EXPECT_FALSE(events_.Write(space, address, size, value));

  EXPECT_EQ(event_.Drain(), 0);
}

INSTANTIATE_TEST_SUITE_P(All, FakeIoEventsMismatchTest,
                         ::testing::Values(std::make_tuple(kPort, 0x1000, 4, 7),
                                           std::make_tuple(kMmio, 0x1004, 4, 7),
                                           std::make_tuple(kMmio, 0x1000, 2, 7),
                                           std::make_tuple(kMmio, 0x1000, 4, 8)));

TEST_F(FakeIoEventsTest, AnySizeTakesEveryWidth) {
  ASSERT_TRUE(events_.Add({kPort, 0x80, 0, std::nullopt}, event_).ok());

  EXPECT_TRUE(events_.Write(kPort, 0x80, 1, 1));
  EXPECT_TRUE(events_.Write(kPort, 0x80, 4, 2));

  EXPECT_EQ(event_.Drain(), 2);
}

TEST_F(FakeIoEventsTest, DifferentMatchesShareAnAddress) {
  ASSERT_TRUE(events_.Add({kMmio, 0x1000, 2, 0}, event_).ok());
  ASSERT_TRUE(events_.Add({kMmio, 0x1000, 2, 1}, other_event_).ok());

  EXPECT_TRUE(events_.Write(kMmio, 0x1000, 2, 1));

  EXPECT_EQ(event_.Drain(), 0);
  EXPECT_EQ(other_event_.Drain(), 1);
}

TEST_F(FakeIoEventsTest, EventsThatCollideAreRefused) {
  ASSERT_TRUE(events_.Add({kMmio, 0x1000, 2, 5}, event_).ok());

  EXPECT_TRUE(absl::IsAlreadyExists(events_.Add({kMmio, 0x1000, 2, std::nullopt}, other_event_)));
  EXPECT_TRUE(absl::IsAlreadyExists(events_.Add({kMmio, 0x1000, 0, std::nullopt}, other_event_)));
  EXPECT_EQ(events_.size(), 1);
}

TEST_F(FakeIoEventsTest, BadSizesAreRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(events_.Add({kMmio, 0, 3, std::nullopt}, event_)));
  EXPECT_TRUE(absl::IsInvalidArgument(events_.Add({kMmio, 0, 0, 1}, event_)));
}

TEST_F(FakeIoEventsTest, RemovedEventIsSilent) {
  const IoEvent io_event = {kMmio, 0x1000, 4, std::nullopt};
  ASSERT_TRUE(events_.Add(io_event, event_).ok());

  EXPECT_TRUE(absl::IsNotFound(events_.Remove(io_event, other_event_)));
  EXPECT_TRUE(events_.Remove(io_event, event_).ok());

  EXPECT_FALSE(events_.Has(io_event));
  EXPECT_FALSE(events_.Write(kMmio, 0x1000, 4, 0));
}

}  // namespace
}  // namespace touchstone
