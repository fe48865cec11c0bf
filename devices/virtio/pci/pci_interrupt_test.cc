#include "devices/virtio/pci/pci_interrupt.h"

#include <vector>

#include "base/endian.h"
#include "devices/irq/recording_msi_target.h"
#include "devices/pci/config_space.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::ElementsAre;
using testing::IsNull;
using testing::NotNull;

using Message = RecordingMsiTarget::Message;

constexpr uint64_t kAddress = 0xFEE00000;
constexpr uint32_t kMessageControl = 2;

// Three vectors, two queues; vector i sends i.
class PciInterruptTest : public testing::Test {
 protected:
  PciInterruptTest() {
    EXPECT_TRUE(msix_.AddCapability(config_, {}, {.bar = 0, .offset = 0x800}).ok());
    for (uint32_t vector = 0; vector < 3; ++vector) {
      Write(vector * 16, kAddress);
      Write(vector * 16 + 8, vector);
      Mask(vector, false);
    }
  }

  void Write(uint32_t offset, uint32_t value) {
    uint8_t data[4];
    StoreLe(value, absl::MakeSpan(data));
    msix_.WriteTable(offset, data);
    interrupt_.MsixChanged();
  }
  void Mask(uint32_t vector, bool masked) { Write(vector * 16 + 12, masked ? 1 : 0); }
  void Enable(bool enabled) {
    uint8_t control[2];
    StoreLe(enabled ? 0x8000u : 0u, absl::MakeSpan(control));
    config_.Write(config_.Get<uint8_t>(kPciCapabilities) + kMessageControl, control);
    msix_.ConfigWritten(config_);
    interrupt_.MsixChanged();
  }
  void Watch(uint16_t queue) {
    interrupt_.WatchTrigger(queue, [this](const EventFd* trigger) { told_.push_back(trigger); });
  }

  RecordingMsiTarget msi_;
  ConfigSpace config_{ConfigSpace::Header::kEndpoint, {}, ConfigSpace::kConventionalSize};
  Msix msix_{3, msi_};
  PciInterrupt interrupt_{msix_, 3, 2};
  std::vector<const EventFd*> told_;
};

TEST_F(PciInterruptTest, TriggerSendsTheQueuesVector) {
  Enable(true);
  interrupt_.SetQueueVector(1, 2);

  Watch(1);

  ASSERT_THAT(told_, ElementsAre(NotNull()));
  told_[0]->Signal();
  EXPECT_THAT(msi_.Drain(), ElementsAre(Message{kAddress, 2}));
}

TEST_F(PciInterruptTest, WithoutMsixThereIsNoTrigger) {
  interrupt_.SetQueueVector(1, 2);

  Watch(1);
  Enable(true);
  Enable(false);

  EXPECT_THAT(told_, ElementsAre(IsNull(), NotNull(), IsNull()));
}

TEST_F(PciInterruptTest, MaskedVectorTakesItsTriggerAway) {
  Enable(true);
  interrupt_.SetQueueVector(0, 1);
  Watch(0);

  Mask(1, true);
  interrupt_.SignalQueue(0);
  Mask(1, false);

  EXPECT_THAT(told_, ElementsAre(NotNull(), IsNull(), NotNull()));
  EXPECT_THAT(msi_.Drain(), ElementsAre(Message{kAddress, 1}));
}

TEST_F(PciInterruptTest, TriggerFollowsTheVector) {
  Enable(true);
  Watch(0);
  interrupt_.SetQueueVector(0, 1);
  interrupt_.SetQueueVector(0, 2);
  interrupt_.SetQueueVector(0, 7);

  ASSERT_THAT(told_, ElementsAre(IsNull(), NotNull(), NotNull(), IsNull()));
  EXPECT_NE(told_[1], told_[2]);
}

TEST_F(PciInterruptTest, OnlyChangesAreTold) {
  Enable(true);
  interrupt_.SetQueueVector(0, 1);
  Watch(0);

  interrupt_.SetQueueVector(0, 1);
  interrupt_.SetQueueVector(1, 2);
  Mask(2, true);

  EXPECT_THAT(told_, ElementsAre(NotNull()));
}

TEST_F(PciInterruptTest, MovedMessageKeepsItsTrigger) {
  Enable(true);
  interrupt_.SetQueueVector(0, 1);
  Watch(0);

  Write(1 * 16 + 8, 77);

  ASSERT_THAT(told_, ElementsAre(NotNull()));
  told_[0]->Signal();
  EXPECT_THAT(msi_.Drain(), ElementsAre(Message{kAddress, 77}));
}

TEST_F(PciInterruptTest, ResetTakesTheTriggerAway) {
  Enable(true);
  interrupt_.SetQueueVector(0, 1);
  Watch(0);

  interrupt_.Reset();

  EXPECT_THAT(told_, ElementsAre(NotNull(), IsNull()));
}

TEST_F(PciInterruptTest, EndedWatchHearsNothing) {
  Enable(true);
  interrupt_.SetQueueVector(0, 1);
  Watch(0);

  interrupt_.WatchTrigger(0, {});
  Mask(1, true);

  EXPECT_THAT(told_, ElementsAre(NotNull()));
}

}  // namespace
}  // namespace touchstone
