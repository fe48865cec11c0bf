#include "devices/pci/pci_root.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/endian.h"
#include "devices/bus/recording_bus_device.h"
#include "devices/irq/recording_irq_line.h"
#include "devices/pci/fake_pci_function.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr AddressRange kIo{0xC000, 0x4000};
constexpr AddressRange kLow{0xD0000000, 0x24000000};
constexpr AddressRange kHigh{0x4000000000, 0x4000000000};

class PciRootTest : public testing::Test {
 protected:
  PciRootTest() { Restart({}); }

  void Restart(std::vector<PciIntxLine> intx) {
    root_.reset();
    root_ = std::make_unique<PciRoot>(
        PciRootConfig{&ports_, &mmio_, {kIo}, {kLow}, {kHigh}, std::move(intx)});
  }

  uint32_t Read(PciAddress address, uint32_t offset, size_t size = 4) {
    std::vector<uint8_t> data(size);
    root_->ReadConfig(address, offset, absl::MakeSpan(data));
    return static_cast<uint32_t>(LoadLe(data));
  }
  void Write(PciAddress address, uint32_t offset, uint32_t value, size_t size = 4) {
    std::vector<uint8_t> data(size);
    StoreLe(value, absl::MakeSpan(data));
    root_->WriteConfig(address, offset, data);
  }
  static std::vector<uint64_t> Starts(const Bus& bus) {
    std::vector<uint64_t> starts;
    for (const Bus::Mapping& mapping : bus.Mappings()) starts.push_back(mapping.range.start);
    return starts;
  }

  Bus ports_{"ports", Bus::kLastPort};
  Bus mmio_{"mmio", Bus::kLastMmioAddress};
  RecordingBusDevice device_;
  std::unique_ptr<PciRoot> root_;
};

TEST_F(PciRootTest, HostBridgeSitsAtTheFirstAddress) {
  EXPECT_EQ(Read({}, 0), 0x12378086u);
  EXPECT_EQ(Read({}, 8), 0x06000000u);
  EXPECT_EQ(Read({}, kPciHeaderType, 1), 0u);
  EXPECT_THAT(root_->functions(), ElementsAre(PciAddress{}));
}

TEST_F(PciRootTest, AbsentFunctionsReadOnes) {
  EXPECT_EQ(Read({.device = 1}, 0), 0xFFFFFFFFu);
  EXPECT_EQ(Read({.device = 31, .function = 7}, 0xFFC), 0xFFFFFFFFu);
  EXPECT_EQ(Read({.bus = 1}, 0), 0xFFFFFFFFu);
  EXPECT_EQ(Read({.domain = 1}, 0), 0xFFFFFFFFu);
  // Also behind the conventional space of the host bridge.
  EXPECT_EQ(Read({}, 0x100), 0xFFFFFFFFu);
}

TEST_F(PciRootTest, AccessBehindTheLastRegisterOfAllReadsOnes) {
  std::vector<uint8_t> data(8);
  root_->ReadConfig({.device = 31, .function = 7}, 0xFFE, absl::MakeSpan(data));
  root_->WriteConfig({.device = 31, .function = 7}, 0xFFFFFFFF, data);
  EXPECT_THAT(data, Each(0xFF));
}

TEST_F(PciRootTest, FunctionsTakeTheNextFreeDevice) {
  FakePciFunction a("a", {});
  FakePciFunction b("b", {});
  FakePciFunction c("c", {});
  FakePciFunction d("d", {});

  EXPECT_EQ(*root_->Add(a, PciAddress{.device = 2}), (PciAddress{.device = 2}));
  EXPECT_EQ(*root_->Add(b), (PciAddress{.device = 1}));
  EXPECT_EQ(*root_->Add(c), (PciAddress{.device = 3}));
  EXPECT_EQ(*root_->Add(d, PciAddress{.device = 3, .function = 5}),
            (PciAddress{.device = 3, .function = 5}));

  EXPECT_THAT(root_->functions(), SizeIs(5));
  EXPECT_EQ(Read({.device = 3, .function = 5}, 0), 0x56781234u);
}

TEST_F(PciRootTest, MultiFunctionBitFollowsTheOtherFunctions) {
  FakePciFunction a("a", {});
  FakePciFunction b("b", {});
  const PciAddress first = *root_->Add(a);
  EXPECT_EQ(Read(first, kPciHeaderType, 1), 0u);

  ASSERT_TRUE(root_->Add(b, PciAddress{.device = first.device, .function = 3}).ok());

  EXPECT_EQ(Read(first, kPciHeaderType, 1), 0x80u);
  EXPECT_EQ(Read(first, 0x0C), 0x00800000u);
  EXPECT_EQ(Read(first, 0x0C, 2), 0u);
  EXPECT_EQ(Read({.device = first.device, .function = 3}, kPciHeaderType, 1), 0u);
}

TEST_F(PciRootTest, AddRefusesTakenAndImpossibleAddresses) {
  FakePciFunction a("a", {});

  const absl::Status taken = root_->Add(a, PciAddress{}).status();
  const absl::Status elsewhere = root_->Add(a, PciAddress{.bus = 1}).status();

  EXPECT_EQ(taken.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(taken.message(), HasSubstr("00:00.0 for a is taken by host bridge"));
  EXPECT_EQ(elsewhere.code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(PciRootTest, ThirtyTwoDevicesFillTheBus) {
  std::vector<std::unique_ptr<FakePciFunction>> functions;
  for (int i = 0; i < 31; ++i) {
    functions.push_back(std::make_unique<FakePciFunction>("f", std::vector<PciFunctionBar>{}));
    ASSERT_TRUE(root_->Add(*functions.back()).ok());
  }
  FakePciFunction last("last", {});

  const absl::Status status = root_->Add(last).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("last"));
}

TEST_F(PciRootTest, BarsWorkWithoutTheGuestDoingAnything) {
  FakePciFunction function(
      "f", {{{.index = 0, .kind = PciBarKind::kMemory32, .size = 0x8000}, &device_},
            {{.index = 1, .kind = PciBarKind::kIo, .size = 32}, &device_},
            {{.index = 2, .kind = PciBarKind::kMemory64, .prefetchable = true, .size = 1 << 20},
             &device_}});

  const PciAddress address = *root_->Add(function);

  EXPECT_EQ(Read(address, kPciCommand, 2), 3u);
  EXPECT_EQ(Read(address, 0x10), 0xD0000000u);
  EXPECT_EQ(Read(address, 0x14), 0xC001u);
  EXPECT_EQ(Read(address, 0x18), 0x0000000Cu);
  EXPECT_EQ(Read(address, 0x1C), 0x40u);
  EXPECT_THAT(Starts(mmio_), ElementsAre(0xD0000000, 0x4000000000));
  EXPECT_THAT(Starts(ports_), ElementsAre(0xC000));
  EXPECT_EQ(function.moved_to(0), 0xD0000000);
  EXPECT_EQ(root_->DecodedAt(address, 2), 0x4000000000);
  root_.reset();
  EXPECT_THAT(Starts(mmio_), IsEmpty());
}

TEST_F(PciRootTest, BarsAreAlignedToTheirSizeAndAtLeastAPageApart) {
  FakePciFunction small("small",
                        {{{.index = 0, .kind = PciBarKind::kMemory32, .size = 16}, &device_}});
  FakePciFunction large("large",
                        {{{.index = 0, .kind = PciBarKind::kMemory32, .size = 1 << 20}, &device_},
                         {{.index = 1, .kind = PciBarKind::kMemory32, .size = 16}, &device_}});

  ASSERT_TRUE(root_->Add(small).ok());
  ASSERT_TRUE(root_->Add(large).ok());

  EXPECT_THAT(Starts(mmio_), ElementsAre(0xD0000000, 0xD0001000, 0xD0100000));
}

TEST_F(PciRootTest, AddFailsWhenABarDoesNotFit) {
  FakePciFunction huge("huge",
                       {{{.index = 0, .kind = PciBarKind::kMemory32, .size = 16}, &device_},
                        {{.index = 1, .kind = PciBarKind::kMemory32, .size = 1u << 31}, &device_}});

  const absl::Status status = root_->Add(huge).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("huge BAR1"));
  EXPECT_THAT(Starts(mmio_), IsEmpty());
  EXPECT_EQ(Read({.device = 1}, 0), 0xFFFFFFFFu);
}

TEST_F(PciRootTest, AddFailsWhenThePlaceIsTakenOnTheBus) {
  ASSERT_TRUE(mmio_.Insert({kLow.start + 8, 1}, "squatter", &device_).ok());
  FakePciFunction function("f",
                           {{{.index = 0, .kind = PciBarKind::kMemory64, .size = 16}, &device_},
                            {{.index = 2, .kind = PciBarKind::kMemory32, .size = 16}, &device_}});

  const absl::Status status = root_->Add(function).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("f BAR2"));
  EXPECT_THAT(Starts(mmio_), ElementsAre(kLow.start + 8));
}

TEST_F(PciRootTest, CommandBitsSwitchDecoding) {
  FakePciFunction function("f",
                           {{{.index = 0, .kind = PciBarKind::kMemory32, .size = 4096}, &device_},
                            {{.index = 1, .kind = PciBarKind::kIo, .size = 4}, &device_}});
  const PciAddress address = *root_->Add(function);

  Write(address, kPciCommand, kPciCommandIo, 2);
  EXPECT_THAT(Starts(mmio_), IsEmpty());
  EXPECT_THAT(Starts(ports_), ElementsAre(0xC000));
  EXPECT_EQ(function.moved_to(0), std::nullopt);

  Write(address, kPciCommand, kPciCommandMemory, 1);
  EXPECT_THAT(Starts(mmio_), ElementsAre(0xD0000000));
  EXPECT_THAT(Starts(ports_), IsEmpty());
}

TEST_F(PciRootTest, SizingAnEnabledBarLeavesItUndecodedUntilRestored) {
  FakePciFunction function("f",
                           {{{.index = 0, .kind = PciBarKind::kMemory32, .size = 4096}, &device_}});
  const PciAddress address = *root_->Add(function);

  Write(address, 0x10, 0xFFFFFFFF);
  EXPECT_EQ(Read(address, 0x10), 0xFFFFF000u);
  EXPECT_THAT(Starts(mmio_), IsEmpty());

  Write(address, 0x10, 0xD0000000);
  EXPECT_THAT(Starts(mmio_), ElementsAre(0xD0000000));
}

TEST_F(PciRootTest, MovedBarAnswersAtItsNewPlace) {
  FakePciFunction function("f",
                           {{{.index = 0, .kind = PciBarKind::kMemory64, .size = 4096}, &device_}});
  const PciAddress address = *root_->Add(function);
  std::vector<uint8_t> data(1);

  Write(address, 0x10, 0x00200000);
  Write(address, 0x14, 0x00000041);

  EXPECT_THAT(Starts(mmio_), ElementsAre(0x4100200000));
  EXPECT_TRUE(mmio_.Read(0x4100200005, absl::MakeSpan(data)));
  EXPECT_EQ(data[0], 5);
  EXPECT_FALSE(mmio_.Read(0x4000000005, absl::MakeSpan(data)));
}

// Where a BAR must never go: RAM, the local APIC, the edges of windows, the end of the space.
TEST_F(PciRootTest, BarOutsideTheWindowsIsNotDecoded) {
  FakePciFunction function(
      "f", {{{.index = 0, .kind = PciBarKind::kMemory64, .size = 0x10000}, &device_},
            {{.index = 2, .kind = PciBarKind::kIo, .size = 256}, &device_}});
  const PciAddress address = *root_->Add(function);

  for (const uint64_t target :
       {uint64_t{0}, uint64_t{0x100000}, uint64_t{0xCFFF0000}, uint64_t{0xF4000000},
        uint64_t{0xFEE00000}, uint64_t{0xFFFF0000}, kHigh.start - 0x10000, kHigh.last() + 1,
        ~uint64_t{0}, uint64_t{1} << 63}) {
    Write(address, 0x10, static_cast<uint32_t>(target));
    Write(address, 0x14, static_cast<uint32_t>(target >> 32));
    EXPECT_THAT(Starts(mmio_), IsEmpty()) << std::hex << target;
    EXPECT_EQ(root_->DecodedAt(address, 0), std::nullopt);
  }
  for (const uint32_t target : {0x0u, 0xCF8u, 0x3F8u, 0xBF00u, 0x1C000u, 0xFFFFFFFFu}) {
    Write(address, 0x18, target);
    EXPECT_THAT(Starts(ports_), IsEmpty()) << std::hex << target;
  }

  Write(address, 0x10, 0xF3FF0000);
  Write(address, 0x14, 0);
  EXPECT_THAT(Starts(mmio_), ElementsAre(0xF3FF0000));
}

TEST_F(PciRootTest, BarOntoAnotherRangeIsNotDecodedAndTheOtherStays) {
  RecordingBusDevice fixed(0x90);
  ASSERT_TRUE(mmio_.Insert({0xE0000000, 0x1000}, "fixed", &fixed).ok());
  FakePciFunction function(
      "f", {{{.index = 0, .kind = PciBarKind::kMemory32, .size = 0x1000}, &device_}});
  const PciAddress address = *root_->Add(function);
  std::vector<uint8_t> data(1);

  Write(address, 0x10, 0xE0000000);

  EXPECT_THAT(Starts(mmio_), ElementsAre(0xE0000000));
  EXPECT_TRUE(mmio_.Read(0xE0000000, absl::MakeSpan(data)));
  EXPECT_EQ(data[0], 0x90);
  EXPECT_EQ(Read(address, 0x10), 0xE0000000u);  // The register keeps what was written.

  Write(address, 0x10, 0xE0001000);
  EXPECT_THAT(Starts(mmio_), ElementsAre(0xE0000000, 0xE0001000));
}

TEST_F(PciRootTest, SwappedBarsEndAtEachOthersPlaces) {
  RecordingBusDevice other(0x80);
  FakePciFunction a("a", {{{.index = 0, .kind = PciBarKind::kMemory32, .size = 0x1000}, &device_}});
  FakePciFunction b("b", {{{.index = 0, .kind = PciBarKind::kMemory32, .size = 0x1000}, &other}});
  const PciAddress first = *root_->Add(a);
  const PciAddress second = *root_->Add(b);

  Write(first, 0x10, 0xD0001000);
  EXPECT_EQ(root_->DecodedAt(first, 0), std::nullopt);
  EXPECT_EQ(root_->DecodedAt(second, 0), 0xD0001000);
  Write(second, 0x10, 0xD0000000);

  EXPECT_EQ(root_->DecodedAt(first, 0), 0xD0001000);
  EXPECT_EQ(root_->DecodedAt(second, 0), 0xD0000000);
  EXPECT_EQ(a.moved_to(0), 0xD0001000);
}

TEST_F(PciRootTest, BarWithoutADeviceReadsOnesButHoldsItsPlace) {
  FakePciFunction function(
      "shm", {{{.index = 0, .kind = PciBarKind::kMemory64, .size = 0x100000}, nullptr}});
  const PciAddress address = *root_->Add(function);
  std::vector<uint8_t> data(4);

  const bool claimed = mmio_.Read(*root_->DecodedAt(address, 0), absl::MakeSpan(data));

  EXPECT_TRUE(claimed);
  EXPECT_THAT(data, Each(0xFF));
}

TEST_F(PciRootTest, IntxPinFollowsTheFunctionAndLinesAreShared) {
  RecordingIrqLine gsi[4];
  Restart({{9, &gsi[0]}, {10, &gsi[1]}, {11, &gsi[2]}, {12, &gsi[3]}});
  std::vector<std::unique_ptr<FakePciFunction>> functions;
  const auto add = [&](PciAddress address, bool intx) {
    functions.push_back(
        std::make_unique<FakePciFunction>("f", std::vector<PciFunctionBar>{}, intx));
    return root_->Add(*functions.back(), address).ok();
  };

  ASSERT_TRUE(add({.device = 1}, true));                 // First pair: GSI 9.
  ASSERT_TRUE(add({.device = 2}, false));                // None.
  ASSERT_TRUE(add({.device = 3, .function = 1}, true));  // Second: 10.
  ASSERT_TRUE(add({.device = 3, .function = 5}, true));  // The same pair.
  ASSERT_TRUE(add({.device = 4, .function = 3}, true));  // Third: 11.
  ASSERT_TRUE(add({.device = 5, .function = 2}, true));  // Fourth: 12.
  ASSERT_TRUE(add({.device = 6}, true));                 // Index 6 of 4: 11.

  EXPECT_THAT(root_->intx_routes(),
              ElementsAre(PciIntxRoute{1, 1, 9}, PciIntxRoute{3, 2, 10}, PciIntxRoute{4, 4, 11},
                          PciIntxRoute{5, 3, 12}, PciIntxRoute{6, 1, 11}));
  EXPECT_EQ(Read({.device = 4, .function = 3}, kPciInterruptLine, 2), 0x040Bu);
  EXPECT_EQ(Read({.device = 2}, kPciInterruptLine, 2), 0u);
  EXPECT_EQ(functions[3]->intx()->gsi, 10u);

  functions[4]->intx()->line->Set(true);
  functions[6]->intx()->line->Set(true);
  functions[4]->intx()->line->Set(false);
  EXPECT_TRUE(gsi[2].level());
  functions[6]->intx()->line->Set(false);
  EXPECT_FALSE(gsi[2].level());
}

TEST_F(PciRootTest, WithoutLinesNobodyGetsIntx) {
  FakePciFunction function("f", {}, /*intx=*/true);

  const PciAddress address = *root_->Add(function);

  EXPECT_FALSE(function.intx().has_value());
  EXPECT_EQ(Read(address, kPciInterruptPin, 1), 0u);
  EXPECT_THAT(root_->intx_routes(), IsEmpty());
}

// Thread-safe, unlike the recording one.
class NullDevice final : public BusDevice {
 public:
  void Read(uint64_t, absl::Span<uint8_t> data) override { std::fill(data.begin(), data.end(), 1); }
  void Write(uint64_t, absl::Span<const uint8_t>) override {}
};

TEST_F(PciRootTest, AccessesAgainstAGuestThatMovesBars) {
  NullDevice device;
  FakePciFunction function(
      "f", {{{.index = 0, .kind = PciBarKind::kMemory32, .size = 0x1000}, &device}});
  const PciAddress address = *root_->Add(function);
  std::atomic<bool> stop{false};
  std::atomic<int> strangers{0};

  std::thread reader([&] {
    while (!stop) {
      uint8_t byte = 0;
      const bool claimed = mmio_.Read(0xD0000010, absl::MakeSpan(&byte, 1));
      if (byte != (claimed ? 1 : 0xFF)) ++strangers;
      if (Read(address, 0) != 0x56781234u) ++strangers;
    }
  });
  for (uint32_t i = 0; i < 5000; ++i) {
    Write(address, 0x10, 0xD0000000 + (i % 3) * 0x1000);
    Write(address, kPciCommand, i % 5 == 0 ? 0 : kPciCommandMemory, 2);
  }
  stop = true;
  reader.join();

  EXPECT_EQ(strangers, 0);
}

}  // namespace
}  // namespace touchstone
