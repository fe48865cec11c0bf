#include "devices/pci/msi.h"

#include <cstdint>
#include <vector>

#include "base/endian.h"
#include "devices/irq/recording_msi_target.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Message = RecordingMsiTarget::Message;

class MsiTest : public testing::Test {
 protected:
  MsiTest() {
    EXPECT_TRUE(msi_.AddCapability(config_).ok());
    capability_ = *config_.FindCapability(kPciCapabilityMsi);
  }

  void Write(uint32_t offset, uint32_t value, size_t size) {
    std::vector<uint8_t> data(size);
    StoreLe(value, absl::MakeSpan(data));
    config_.Write(capability_ + offset, data);
    msi_.ConfigWritten(config_);
  }
  void SetMessage(uint64_t address, uint16_t data) {
    Write(4, static_cast<uint32_t>(address), 4);
    Write(8, static_cast<uint32_t>(address >> 32), 4);
    Write(12, data, 2);
  }

  RecordingMsiTarget target_{3};
  ConfigSpace config_{ConfigSpace::Header::kEndpoint, {.vendor = 1, .device = 2}};
  Msi msi_{4, target_};
  uint8_t capability_ = 0;
};

TEST_F(MsiTest, CapabilityOffersFourVectorsAndSixtyFourBits) {
  EXPECT_EQ(config_.Get<uint16_t>(capability_ + 2), 0x0084);
  for (uint32_t offset = 0; offset < 16; ++offset) Write(offset, 0xFF, 1);
  EXPECT_EQ(config_.Get<uint32_t>(capability_), 0x00F50005u);
  EXPECT_EQ(config_.Get<uint32_t>(capability_ + 4), 0xFFFFFFFCu);
  EXPECT_EQ(config_.Get<uint32_t>(capability_ + 8), 0xFFFFFFFFu);
  EXPECT_EQ(config_.Get<uint32_t>(capability_ + 12), 0x0000FFFFu);
}

TEST_F(MsiTest, NothingIsSentWhileDisabled) {
  SetMessage(0xFEE00000, 0x40);
  msi_.Signal(0);
  EXPECT_FALSE(msi_.enabled());
  EXPECT_THAT(target_.Drain(), IsEmpty());
  EXPECT_EQ(target_.route_count(), 0u);
}

TEST_F(MsiTest, OneAllowedMessageServesEveryVector) {
  SetMessage(0x1FEE00000, 0x43);
  Write(2, 1, 2);
  msi_.Signal(0);
  msi_.Signal(3);
  EXPECT_THAT(target_.Drain(), ElementsAre(Message{0x1FEE00000, 0x43}, Message{0x1FEE00000, 0x43}));
}

TEST_F(MsiTest, AllowedVectorsChangeTheLowBits) {
  SetMessage(0xFEE00000, 0x43);
  Write(2, 1 | 1 << 4, 2);
  msi_.Signal(0);
  msi_.Signal(1);
  msi_.Signal(2);
  EXPECT_THAT(target_.Drain(), ElementsAre(Message{0xFEE00000, 0x42}, Message{0xFEE00000, 0x42},
                                           Message{0xFEE00000, 0x43}));
}

TEST_F(MsiTest, ReservedCountMeansWhatWasOffered) {
  SetMessage(0xFEE00000, 0x40);
  Write(2, 1 | 7 << 4, 2);
  msi_.Signal(255);
  EXPECT_THAT(target_.Drain(), ElementsAre(Message{0xFEE00000, 0x43}));
}

TEST_F(MsiTest, ChangedMessageUpdatesTheRoute) {
  SetMessage(0xFEE00000, 0x40);
  Write(2, 1, 2);
  msi_.Signal(0);
  target_.Drain();

  SetMessage(0xFEE01000, 0x50);
  msi_.Signal(0);

  EXPECT_THAT(target_.Drain(), ElementsAre(Message{0xFEE01000, 0x50}));
  EXPECT_EQ(target_.route_count(), 1u);
}

TEST_F(MsiTest, MessageWithoutARouteIsDropped) {
  SetMessage(0xFEE00000, 0x40);
  Write(2, 1 | 2 << 4, 2);
  for (uint8_t vector = 0; vector < 4; ++vector) msi_.Signal(vector);
  EXPECT_EQ(target_.Drain().size(), 3u);
}

}  // namespace
}  // namespace touchstone
