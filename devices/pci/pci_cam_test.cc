#include "devices/pci/pci_cam.h"

#include <cstdint>
#include <vector>

#include "base/endian.h"
#include "devices/pci/fake_pci_function.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::Each;

class PciCamTest : public testing::Test {
 protected:
  uint64_t In(PciCam& cam, uint16_t port, size_t size) {
    std::vector<uint8_t> data(size, 0xFF);
    cam.Read(port - PciCam::kFirstPort, absl::MakeSpan(data));
    return LoadLe(data);
  }
  void Out(PciCam& cam, uint16_t port, size_t size, uint64_t value) {
    std::vector<uint8_t> data(size);
    StoreLe(value, absl::MakeSpan(data));
    cam.Write(port - PciCam::kFirstPort, data);
  }

  Bus ports_{"ports", Bus::kLastPort};
  Bus mmio_{"mmio", Bus::kLastMmioAddress};
  FakePciFunction function_{"f", {}};
  PciRoot root_{{&ports_, &mmio_, {}, {}, {}, {}}};
  int resets_ = 0;
  PciCam cam_{root_, {.broken = false, .on_reset = [this] { ++resets_; }}};
};

TEST_F(PciCamTest, AddressRegisterKeepsOnlyItsBits) {
  Out(cam_, 0xCF8, 4, 0xFFFFFFFF);
  EXPECT_EQ(In(cam_, 0xCF8, 4), 0x80FFFFFCu);
}

TEST_F(PciCamTest, DataPortsReachTheSelectedRegisterAtAnyWidth) {
  Out(cam_, 0xCF8, 4, 0x80000000);
  EXPECT_EQ(In(cam_, 0xCFC, 4), 0x12378086u);
  EXPECT_EQ(In(cam_, 0xCFC, 2), 0x8086u);
  EXPECT_EQ(In(cam_, 0xCFE, 2), 0x1237u);
  EXPECT_EQ(In(cam_, 0xCFD, 1), 0x80u);
  EXPECT_EQ(In(cam_, 0xCFD, 2), 0x3780u);

  Out(cam_, 0xCF8, 4, 0x80000004);
  Out(cam_, 0xCFC, 2, 0x0007);
  EXPECT_EQ(In(cam_, 0xCFC, 4), 0x00000007u);
}

TEST_F(PciCamTest, NothingIsSelectedWithoutTheEnableBit) {
  Out(cam_, 0xCF8, 4, 0x00000000);
  EXPECT_EQ(In(cam_, 0xCFC, 4), 0xFFFFFFFFu);
}

TEST_F(PciCamTest, OtherBusesReadOnes) {
  Out(cam_, 0xCF8, 4, 0x80010000);
  EXPECT_EQ(In(cam_, 0xCFC, 4), 0xFFFFFFFFu);
}

// What Linux's probe of mechanism 1 does.
TEST_F(PciCamTest, SmallAccessesDoNotReachTheAddressRegister) {
  Out(cam_, 0xCF8, 4, 0x80000800);
  Out(cam_, 0xCFB, 1, 0x01);
  Out(cam_, 0xCF8, 2, 0x1234);
  Out(cam_, 0xCF8, 1, 0x12);
  Out(cam_, 0xCFA, 2, 0x1234);

  EXPECT_EQ(In(cam_, 0xCF8, 4), 0x80000800u);
  EXPECT_EQ(In(cam_, 0xCF8, 1), 0xFFu);
  EXPECT_EQ(In(cam_, 0xCF8, 2), 0xFFFFu);
  EXPECT_EQ(In(cam_, 0xCFA, 2), 0xFFFFu);
  EXPECT_EQ(resets_, 0);
}

TEST_F(PciCamTest, AccessAcrossTheTwoRegistersIsSplit) {
  Out(cam_, 0xCF8, 4, 0x80000000);
  EXPECT_EQ(In(cam_, 0xCFA, 4), 0x8086FFFFu);
  EXPECT_EQ(In(cam_, 0xCF8, 8), 0x1237808680000000u);
}

TEST_F(PciCamTest, BitTwoOfTheResetRegisterResets) {
  Out(cam_, 0xCF9, 1, 0x02);
  EXPECT_EQ(resets_, 0);
  EXPECT_EQ(In(cam_, 0xCF9, 1), 0x02u);

  Out(cam_, 0xCF9, 1, 0x06);
  EXPECT_EQ(resets_, 1);
  EXPECT_EQ(In(cam_, 0xCF9, 1), 0x02u);

  Out(cam_, 0xCF9, 1, 0xF0);
  EXPECT_EQ(resets_, 1);
  EXPECT_EQ(In(cam_, 0xCF9, 1), 0x00u);
}

TEST_F(PciCamTest, DwordWithTheResetBitOnlySelects) {
  Out(cam_, 0xCF8, 4, 0x80000400);
  EXPECT_EQ(resets_, 0);
}

TEST_F(PciCamTest, BrokenMechanismReadsOnesButStillResets) {
  PciCam cam(root_, {.broken = true, .on_reset = [this] { ++resets_; }});

  Out(cam, 0xCF8, 4, 0x80000000);
  EXPECT_EQ(In(cam, 0xCF8, 4), 0xFFFFFFFFu);
  EXPECT_EQ(In(cam, 0xCFC, 4), 0xFFFFFFFFu);
  Out(cam, 0xCF9, 1, 0x06);

  EXPECT_EQ(resets_, 1);
}

// Every register of every position by every width, with values whose bits all differ.
TEST_F(PciCamTest, SweepTouchesNothingItShouldNot) {
  ASSERT_TRUE(root_.Add(function_).ok());
  for (const uint32_t select : {0x80000800u, 0x800008FCu, 0x80000000u, 0x8000FFFCu, 0x80FF0000u}) {
    for (uint16_t port = 0xCF8; port <= 0xCFF; ++port) {
      for (size_t size = 1; size <= 8; ++size) {
        for (const uint64_t value : {uint64_t{0}, ~uint64_t{0}, uint64_t{0xA5C3960F5A3C69F0}}) {
          Out(cam_, 0xCF8, 4, select);
          Out(cam_, port, size, value);
          In(cam_, port, size);
        }
      }
    }
  }

  Out(cam_, 0xCF8, 4, 0x80000800);
  EXPECT_EQ(In(cam_, 0xCFC, 4), 0x56781234u);
  Out(cam_, 0xCF8, 4, 0x80000000);
  EXPECT_EQ(In(cam_, 0xCFC, 4), 0x12378086u);
}

TEST_F(PciCamTest, EveryReadOfAnAbsentFunctionIsOnes) {
  Out(cam_, 0xCF8, 4, 0x80000800);
  for (uint64_t offset = 4; offset < 8; ++offset) {
    for (size_t size = 1; size <= 8; ++size) {
      std::vector<uint8_t> data(size, 0x55);
      cam_.Read(offset, absl::MakeSpan(data));
      EXPECT_THAT(data, Each(0xFF));
    }
  }
}

}  // namespace
}  // namespace touchstone
