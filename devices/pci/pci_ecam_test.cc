#include "devices/pci/pci_ecam.h"

#include <cstdint>
#include <vector>

#include "base/endian.h"
#include "devices/pci/fake_pci_function.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::Each;

class PciEcamTest : public testing::Test {
 protected:
  PciEcamTest() { EXPECT_EQ(*root_.Add(function_), (PciAddress{.device = 1})); }

  uint64_t Read(uint64_t offset, size_t size) {
    std::vector<uint8_t> data(size, 0xFF);
    ecam_.Read(offset, absl::MakeSpan(data));
    return LoadLe(data);
  }
  void Write(uint64_t offset, size_t size, uint64_t value) {
    std::vector<uint8_t> data(size);
    StoreLe(value, absl::MakeSpan(data));
    ecam_.Write(offset, data);
  }

  Bus ports_{"ports", Bus::kLastPort};
  Bus mmio_{"mmio", Bus::kLastMmioAddress};
  FakePciFunction function_{"f", {}};
  PciRoot root_{{&ports_, &mmio_, {}, {}, {}, {}}};
  PciEcam ecam_{root_, 2 * PciEcam::kBusSize};
};

TEST_F(PciEcamTest, OffsetSelectsFunctionAndRegister) {
  EXPECT_EQ(ecam_.bus_count(), 2);
  EXPECT_EQ(Read(0, 4), 0x12378086u);
  EXPECT_EQ(Read(0x8000, 4), 0x56781234u);
  EXPECT_EQ(Read(0x8000, 8), 0x0000000056781234u);
  EXPECT_EQ(Read(0x8001, 2), 0x7812u);
  EXPECT_EQ(Read(0x9000, 4), 0xFFFFFFFFu);
  EXPECT_EQ(Read(0x100000, 4), 0xFFFFFFFFu);
  EXPECT_EQ(Read(0x8FFC, 4), 0u);  // Extended space exists.
}

TEST_F(PciEcamTest, WritesReachTheRegister) {
  Write(0x8000 + kPciInterruptLine, 1, 0x2A);
  Write(0x8000 + kPciCommand, 2, 0x0006);
  EXPECT_EQ(Read(0x8000 + kPciInterruptLine, 1), 0x2Au);
  EXPECT_EQ(function_.config().command(), 0x0006);
}

TEST_F(PciEcamTest, AccessAcrossFunctionsIsSplit) { EXPECT_EQ(Read(0x7FFE, 4), 0x1234FFFFu); }

TEST_F(PciEcamTest, EverythingBehindTheWindowReadsOnes) {
  EXPECT_EQ(Read(2 * PciEcam::kBusSize, 4), 0xFFFFFFFFu);
  EXPECT_EQ(Read(2 * PciEcam::kBusSize - 2, 8), ~uint64_t{0});
  EXPECT_EQ(Read(~uint64_t{0}, 8), ~uint64_t{0});
  Write(~uint64_t{0}, 8, 0);
}

TEST_F(PciEcamTest, SweepOfEveryRegisterByEveryWidth) {
  for (uint64_t offset = 0x8000; offset < 0x9000; ++offset) {
    for (size_t size = 1; size <= 8; ++size) {
      std::vector<uint8_t> wide(size);
      ecam_.Read(offset, absl::MakeSpan(wide));
      for (size_t i = 0; i < size; ++i) {
        ASSERT_EQ(wide[i], Read(offset + i, 1)) << offset << " " << size;
      }
      Write(offset, size, ~uint64_t{0});
      Write(offset, size, 0);
    }
  }
  EXPECT_EQ(Read(0x8000, 4), 0x56781234u);
  EXPECT_EQ(Read(0x8008, 4), 0xFF000001u);
}

TEST_F(PciEcamTest, LastBusReadsOnesByEveryWidth) {
  for (size_t size = 1; size <= 8; ++size) {
    std::vector<uint8_t> data(size, 0x55);
    ecam_.Read(PciEcam::kBusSize + 0x8003, absl::MakeSpan(data));
    EXPECT_THAT(data, Each(0xFF));
  }
}

}  // namespace
}  // namespace touchstone
