#include "vmm/machine/kick_events.h"

#include <vector>

#include "absl/status/status.h"
#include "base/event_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/fake/fake_vm.h"
#include "hypervisor/mock/mock_vm.h"

namespace touchstone {
namespace {

using ::testing::_;
using ::testing::Return;

constexpr uint64_t kBar = 0xD0003000;

IoEvent AnyWidthAt(uint64_t address) { return {.address = address}; }

class KickEventsTest : public testing::Test {
 protected:
  FakeVm vm_{1, nullptr, {}};
  const EventFd first_ = EventFd::Create().value();
  const EventFd second_ = EventFd::Create().value();
  KickEvents events_{vm_, "test"};
};

TEST_F(KickEventsTest, AKickOfAnyWidthSignalsItsQueue) {
  events_.Update({{kBar, &first_}, {kBar + 4, &second_}});

  EXPECT_TRUE(vm_.io_events().Write(IoEvent::Space::kMmio, kBar, 2, 7));
  EXPECT_TRUE(vm_.io_events().Write(IoEvent::Space::kMmio, kBar + 4, 4, 0));
  EXPECT_TRUE(vm_.io_events().Write(IoEvent::Space::kMmio, kBar + 4, 1, 1));
  EXPECT_EQ(first_.Drain(), 1u);
  EXPECT_EQ(second_.Drain(), 2u);
}

TEST_F(KickEventsTest, AMoveLeavesNothingBehind) {
  events_.Update({{kBar, &first_}, {kBar + 4, &second_}});

  // The second queue comes to where the first one was.
  events_.Update({{kBar - 4, &first_}, {kBar, &second_}});

  EXPECT_EQ(vm_.io_events().size(), 2u);
  EXPECT_TRUE(vm_.io_events().Write(IoEvent::Space::kMmio, kBar, 2, 0));
  EXPECT_EQ(first_.Drain(), 0u);
  EXPECT_EQ(second_.Drain(), 1u);
  EXPECT_FALSE(vm_.io_events().Has(AnyWidthAt(kBar + 4)));
}

TEST_F(KickEventsTest, AStoppedQueueLosesItsEvent) {
  events_.Update({{kBar, &first_}, {kBar + 4, &second_}});

  events_.Update({{kBar + 4, &second_}});

  EXPECT_FALSE(vm_.io_events().Has(AnyWidthAt(kBar)));
  EXPECT_TRUE(vm_.io_events().Has(AnyWidthAt(kBar + 4)));
}

TEST_F(KickEventsTest, NothingIsLeftAtTheEnd) {
  {
    KickEvents events(vm_, "short-lived");
    events.Update({{kBar, &first_}});
    EXPECT_EQ(vm_.io_events().size(), 1u);
  }

  EXPECT_EQ(vm_.io_events().size(), 0u);
}

TEST(KickEventsErrorTest, ARefusedEventIsTriedAgainAndNotRemoved) {
  testing::StrictMock<MockVm> vm;
  const EventFd event = EventFd::Create().value();
  EXPECT_CALL(vm, AddIoEvent(AnyWidthAt(kBar), _))
      .Times(2)
      .WillRepeatedly(Return(absl::ResourceExhaustedError("no more events")));

  KickEvents events(vm, "test");
  events.Update({{kBar, &event}});
  events.Update({{kBar, &event}});
}

TEST(KickEventsErrorTest, AnEventThatCannotBeRemovedIsForgotten) {
  testing::StrictMock<MockVm> vm;
  const EventFd event = EventFd::Create().value();
  EXPECT_CALL(vm, AddIoEvent(AnyWidthAt(kBar), _)).WillOnce(Return(absl::OkStatus()));
  EXPECT_CALL(vm, RemoveIoEvent(AnyWidthAt(kBar), _))
      .WillOnce(Return(absl::InternalError("the kernel disagrees")));

  KickEvents events(vm, "test");
  events.Update({{kBar, &event}});
  events.Update({});
}

}  // namespace
}  // namespace touchstone
