#include "devices/pci/msix.h"

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "base/endian.h"
#include "devices/irq/recording_msi_target.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Message = RecordingMsiTarget::Message;

constexpr uint64_t kAddress = 0xFEE00000;

class MsixTest : public testing::Test {
 protected:
  MsixTest() {
    EXPECT_TRUE(msix_.AddCapability(config_, {0, 0x6000}, {1, 0x7000}).ok());
    capability_ = *config_.FindCapability(kPciCapabilityMsix);
  }

  void SetControl(uint16_t bits) {
    uint8_t data[2];
    StoreLe(bits, absl::MakeSpan(data));
    config_.Write(capability_ + 2, data);
    msix_.ConfigWritten(config_);
  }
  void Enable() { SetControl(0x8000); }

  void WriteTable(uint64_t offset, uint64_t value, size_t size = 4) {
    std::vector<uint8_t> data(size);
    StoreLe(value, absl::MakeSpan(data));
    msix_.WriteTable(offset, data);
  }
  void WriteEntry(uint16_t vector, uint64_t address, uint32_t data, uint32_t control) {
    WriteTable(vector * 16u, address, 8);
    WriteTable(vector * 16u + 8, data);
    WriteTable(vector * 16u + 12, control);
  }
  uint64_t ReadTable(uint64_t offset, size_t size = 4) {
    std::vector<uint8_t> data(size, 0xFF);
    msix_.ReadTable(offset, absl::MakeSpan(data));
    return LoadLe(data);
  }
  uint64_t ReadPending(uint64_t offset = 0, size_t size = 8) {
    std::vector<uint8_t> data(size, 0xFF);
    msix_.ReadPending(offset, absl::MakeSpan(data));
    return LoadLe(data);
  }

  RecordingMsiTarget target_{2};
  ConfigSpace config_{ConfigSpace::Header::kEndpoint, {.vendor = 1, .device = 2}};
  Msix msix_{3, target_};
  uint8_t capability_ = 0;
};

TEST_F(MsixTest, CapabilityTellsSizeAndPlaces) {
  EXPECT_EQ(config_.Get<uint16_t>(capability_ + 2), 2);
  EXPECT_EQ(config_.Get<uint32_t>(capability_ + 4), 0x6000u);
  EXPECT_EQ(config_.Get<uint32_t>(capability_ + 8), 0x7001u);
  EXPECT_EQ(msix_.table_size(), 48u);
  EXPECT_EQ(msix_.pending_size(), 8u);

  SetControl(0xFFFF);
  EXPECT_EQ(config_.Get<uint16_t>(capability_ + 2), 0xC002);
}

TEST_F(MsixTest, ImpossiblePlacesAreRefused) {
  Msix msix(1, target_);
  EXPECT_FALSE(msix.AddCapability(config_, {6, 0}, {0, 0}).ok());
  EXPECT_FALSE(msix.AddCapability(config_, {0, 4}, {0, 0}).ok());
  EXPECT_FALSE(msix.AddCapability(config_, {0, 0}, {-1, 0}).ok());
}

TEST_F(MsixTest, VectorsStartMasked) {
  for (uint64_t vector = 0; vector < 3; ++vector) {
    EXPECT_EQ(ReadTable(vector * 16 + 12), 1u);
    EXPECT_EQ(ReadTable(vector * 16, 8), 0u);
  }
}

TEST_F(MsixTest, SignalSendsTheMessage) {
  Enable();
  WriteEntry(1, kAddress, 0x4041, 0);

  msix_.Signal(1);
  msix_.Signal(1);

  EXPECT_TRUE(msix_.enabled());
  EXPECT_THAT(target_.Drain(), ElementsAre(Message{kAddress, 0x4041}, Message{kAddress, 0x4041}));
  EXPECT_EQ(ReadPending(), 0u);
}

TEST_F(MsixTest, NothingIsSentOrRememberedWhileDisabled) {
  WriteEntry(0, kAddress, 1, 0);
  msix_.Signal(0);
  EXPECT_EQ(ReadPending(), 0u);
  Enable();
  EXPECT_THAT(target_.Drain(), IsEmpty());
}

TEST_F(MsixTest, MaskedVectorWaitsAsPending) {
  Enable();
  WriteEntry(2, kAddress, 7, 1);

  msix_.Signal(2);
  EXPECT_THAT(target_.Drain(), IsEmpty());
  EXPECT_EQ(ReadPending(), 4u);
  EXPECT_EQ(msix_.trigger(2), nullptr);

  WriteTable(2 * 16 + 12, 0);
  EXPECT_THAT(target_.Drain(), ElementsAre(Message{kAddress, 7}));
  EXPECT_EQ(ReadPending(), 0u);
  EXPECT_NE(msix_.trigger(2), nullptr);

  WriteTable(2 * 16 + 12, 1);
  EXPECT_EQ(msix_.trigger(2), nullptr);
}

TEST_F(MsixTest, FunctionMaskHoldsBackEveryVector) {
  SetControl(0xC000);
  WriteEntry(0, kAddress, 5, 0);
  WriteEntry(1, kAddress, 6, 0);

  msix_.Signal(0);
  msix_.Signal(1);
  EXPECT_THAT(target_.Drain(), IsEmpty());
  EXPECT_EQ(ReadPending(), 3u);

  SetControl(0x8000);
  EXPECT_THAT(target_.Drain(), ElementsAre(Message{kAddress, 5}, Message{kAddress, 6}));
}

TEST_F(MsixTest, MovedInterruptUpdatesItsRoute) {
  Enable();
  WriteEntry(0, kAddress, 5, 0);
  const EventFd* trigger = msix_.trigger(0);

  WriteTable(12, 1);
  WriteTable(8, 6);
  WriteTable(12, 0);
  msix_.Signal(0);

  EXPECT_EQ(msix_.trigger(0), trigger);
  EXPECT_EQ(target_.route_count(), 1u);
  EXPECT_EQ(target_.updates(), 1);
  EXPECT_THAT(target_.Drain(), ElementsAre(Message{kAddress, 6}));
}

TEST_F(MsixTest, MessagesWaitWhenTheMachineHasNoRoute) {
  Enable();
  for (uint16_t vector = 0; vector < 3; ++vector) WriteEntry(vector, kAddress, vector, 0);

  msix_.Signal(2);

  EXPECT_EQ(target_.route_count(), 2u);
  EXPECT_GT(msix_.lost(), 0u);
  EXPECT_EQ(ReadPending(), 4u);
  EXPECT_THAT(target_.Drain(), IsEmpty());
}

// KE 03: vectors, offsets and widths that do not exist.
TEST_F(MsixTest, VectorsThatDoNotExistAreIgnored) {
  Enable();
  msix_.Signal(3);
  msix_.Signal(0x7FF);
  msix_.Signal(0xFFFF);
  EXPECT_EQ(msix_.trigger(3), nullptr);
  EXPECT_EQ(msix_.trigger(0xFFFF), nullptr);
  EXPECT_EQ(ReadPending(), 0u);
}

TEST_F(MsixTest, SweepOfEveryOffsetByEveryWidth) {
  Enable();
  for (uint64_t offset = 0; offset < 80; ++offset) {
    for (size_t size = 1; size <= 17; ++size) {
      std::vector<uint8_t> wide(size, 0x5A);
      msix_.ReadTable(offset, absl::MakeSpan(wide));
      for (size_t i = 0; i < size; ++i) {
        const uint64_t expected = offset + i < 48 ? ReadTable(offset + i, 1) : 0x5A;
        ASSERT_EQ(wide[i], expected) << offset << " " << size;
      }
      WriteTable(offset, ~uint64_t{0}, std::min<size_t>(size, 8));
      std::vector<uint8_t> bits(size, 0x5A);
      msix_.ReadPending(offset, absl::MakeSpan(bits));
      for (size_t i = 0; i < size; ++i) ASSERT_EQ(bits[i], offset + i < 8 ? 0 : 0x5A);
    }
  }
  for (const uint64_t offset : {~uint64_t{0}, uint64_t{1} << 63, uint64_t{0xFFFFFFF8}}) {
    WriteTable(offset, 0, 8);
    EXPECT_EQ(ReadTable(offset, 8), ~uint64_t{0});
    EXPECT_EQ(ReadPending(offset), ~uint64_t{0});
  }
}

TEST_F(MsixTest, OnlyDefinedBitsOfAnEntryAreKept) {
  WriteTable(0, ~uint64_t{0}, 8);
  WriteTable(8, ~uint64_t{0}, 8);
  EXPECT_EQ(ReadTable(0, 8), 0xFFFFFFFFFFFFFFFCu);
  EXPECT_EQ(ReadTable(8, 8), 0x00000001FFFFFFFFu);
}

TEST_F(MsixTest, MostVectorsThatCanBe) {
  RecordingMsiTarget target(0);
  Msix msix(Msix::kMaxVectors, target);
  EXPECT_EQ(msix.table_size(), 32768u);
  EXPECT_EQ(msix.pending_size(), 256u);
}

TEST_F(MsixTest, SavedStateRestoresToTheSame) {
  Enable();
  WriteEntry(0, kAddress, 5, 0);
  WriteEntry(1, kAddress, 6, 1);
  msix_.Signal(1);
  const Msix::State state = msix_.Save();
  RecordingMsiTarget target;
  Msix restored(3, target);
  ConfigSpace config(ConfigSpace::Header::kEndpoint, {.vendor = 1, .device = 2});
  ASSERT_TRUE(restored.AddCapability(config, {0, 0x6000}, {1, 0x7000}).ok());

  ASSERT_TRUE(config.Restore(config_.bytes()).ok());
  ASSERT_TRUE(restored.Restore(state).ok());
  restored.ConfigWritten(config);

  EXPECT_EQ(restored.Save(), state);
  restored.Signal(0);
  EXPECT_THAT(target.Drain(), ElementsAre(Message{kAddress, 5}));
}

TEST_F(MsixTest, GarbageStateIsAnErrorOrBounded) {
  EXPECT_FALSE(msix_.Restore({}).ok());
  EXPECT_FALSE(msix_.Restore({std::vector<uint8_t>(48), std::vector<uint8_t>(9)}).ok());

  ASSERT_TRUE(msix_.Restore({std::vector<uint8_t>(48, 0xFF), std::vector<uint8_t>(8, 0xFF)}).ok());
  EXPECT_EQ(ReadPending(), 7u);
  EXPECT_EQ(ReadTable(12), 1u);
}

TEST_F(MsixTest, SignalsAgainstMasking) {
  constexpr int kSignals = 2000;
  Enable();
  WriteEntry(0, kAddress, 1, 0);
  std::atomic<bool> stop{false};
  std::thread masker([&] {
    while (!stop) {
      WriteTable(12, 1);
      WriteTable(12, 0);
    }
  });

  for (int i = 0; i < kSignals; ++i) msix_.Signal(0);
  stop = true;
  masker.join();

  EXPECT_EQ(ReadPending(), 0u);
  const std::vector<Message> messages = target_.Drain();
  EXPECT_GE(messages.size(), 1u);
  EXPECT_LE(messages.size(), size_t{kSignals});
  EXPECT_THAT(messages, Each(Message{kAddress, 1}));
}

}  // namespace
}  // namespace touchstone
