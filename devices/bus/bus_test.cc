#include "devices/bus/bus.h"

#include <atomic>
#include <cstdint>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "devices/bus/recording_bus_device.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Access = RecordingBusDevice::Access;

std::vector<uint64_t> Starts(const Bus& bus) {
  std::vector<uint64_t> starts;
  for (const Bus::Mapping& mapping : bus.Mappings()) starts.push_back(mapping.range.start);
  return starts;
}

TEST(BusTest, DispatchesWithTheOffsetInTheRange) {
  Bus bus("ports", Bus::kLastPort);
  RecordingBusDevice device(0x40);
  ASSERT_TRUE(bus.Insert({0x3F8, 8}, "serial", &device).ok());
  std::vector<uint8_t> data(2);

  const bool read = bus.Read(0x3FA, absl::MakeSpan(data));
  const bool written = bus.Write(0x3FF, {0x12});

  EXPECT_TRUE(read);
  EXPECT_TRUE(written);
  EXPECT_THAT(data, ElementsAre(0x42, 0x43));
  EXPECT_THAT(device.accesses(), ElementsAre(Access{false, 2, {0, 0}}, Access{true, 7, {0x12}}));
}

TEST(BusTest, UnclaimedReadsAreOnes) {
  Bus bus("ports", Bus::kLastPort);
  RecordingBusDevice device;
  ASSERT_TRUE(bus.Insert({0x100, 1}, "device", &device).ok());

  for (const uint64_t address : {uint64_t{0}, uint64_t{0xFF - 8}, uint64_t{0x101}, uint64_t{0xFFFF},
                                 uint64_t{0x10000}, ~uint64_t{0}}) {
    std::vector<uint8_t> data(8, 0x55);
    EXPECT_FALSE(bus.Read(address, absl::MakeSpan(data))) << address;
    EXPECT_THAT(data, Each(0xFF)) << address;
    EXPECT_FALSE(bus.Write(address, data)) << address;
  }
  EXPECT_THAT(device.accesses(), IsEmpty());
}

TEST(BusTest, StraddlingAccessIsSplitAmongItsOwners) {
  Bus bus("ports", Bus::kLastPort);
  RecordingBusDevice low(0x10);
  RecordingBusDevice high(0x20);
  ASSERT_TRUE(bus.Insert({0x60, 2}, "low", &low).ok());
  ASSERT_TRUE(bus.Insert({0x64, 2}, "high", &high).ok());
  std::vector<uint8_t> data(8);

  const bool read = bus.Read(0x5F, absl::MakeSpan(data));
  const bool written = bus.Write(0x61, {1, 2, 3, 4});

  EXPECT_TRUE(read);
  EXPECT_THAT(data, ElementsAre(0xFF, 0x10, 0x11, 0xFF, 0xFF, 0x20, 0x21, 0xFF));
  EXPECT_TRUE(written);
  EXPECT_THAT(low.accesses(), ElementsAre(Access{false, 0, {0, 0}}, Access{true, 1, {1}}));
  EXPECT_THAT(high.accesses(), ElementsAre(Access{false, 0, {0, 0}}, Access{true, 0, {4}}));
}

TEST(BusTest, AccessBehindTheLastAddressReadsOnes) {
  Bus bus("mmio", Bus::kLastMmioAddress);
  RecordingBusDevice device(1);
  ASSERT_TRUE(bus.Insert({~uint64_t{0} - 3, 4}, "top", &device).ok());
  std::vector<uint8_t> data(8);

  const bool read = bus.Read(~uint64_t{0} - 1, absl::MakeSpan(data));

  EXPECT_TRUE(read);
  EXPECT_THAT(data, ElementsAre(3, 4, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF));
  EXPECT_THAT(device.accesses(), ElementsAre(Access{false, 2, {0, 0}}));
}

TEST(BusTest, LongAccessReachesTheDeviceEightBytesAtATime) {
  Bus bus("mmio", Bus::kLastMmioAddress);
  RecordingBusDevice device;
  ASSERT_TRUE(bus.Insert({0x1000, 0x100}, "device", &device).ok());
  std::vector<uint8_t> data(19);
  std::vector<uint8_t> expected(19);
  std::iota(expected.begin(), expected.end(), uint8_t{0});

  bus.Read(0x1000, absl::MakeSpan(data));

  EXPECT_EQ(data, expected);
  EXPECT_THAT(device.accesses(),
              ElementsAre(Access{false, 0, std::vector<uint8_t>(8)},
                          Access{false, 8, std::vector<uint8_t>(8)}, Access{false, 16, {0, 0, 0}}));
}

TEST(BusTest, EmptyAccessTouchesNothing) {
  Bus bus("mmio", Bus::kLastMmioAddress);
  RecordingBusDevice device;
  ASSERT_TRUE(bus.Insert({0, 16}, "device", &device).ok());

  EXPECT_FALSE(bus.Read(0, {}));
  EXPECT_FALSE(bus.Write(0, {}));
  EXPECT_THAT(device.accesses(), IsEmpty());
}

// Every address around two ranges, by every width: each byte must come from its owner.
TEST(BusTest, SweepOfWidthsAndMisalignments) {
  Bus bus("ports", Bus::kLastPort);
  RecordingBusDevice low(0x10);
  RecordingBusDevice high(0x80);
  ASSERT_TRUE(bus.Insert({10, 7}, "low", &low).ok());
  ASSERT_TRUE(bus.Insert({17, 3}, "high", &high).ok());
  std::vector<uint8_t> map(64, 0xFF);
  for (int i = 0; i < 7; ++i) map[10 + i] = static_cast<uint8_t>(0x10 + i);
  for (int i = 0; i < 3; ++i) map[17 + i] = static_cast<uint8_t>(0x80 + i);

  for (size_t address = 0; address < 32; ++address) {
    for (size_t width = 1; width <= 17; ++width) {
      std::vector<uint8_t> data(width);
      bus.Read(address, absl::MakeSpan(data));
      const auto first = map.begin() + static_cast<ptrdiff_t>(address);
      EXPECT_EQ(data, std::vector<uint8_t>(first, first + static_cast<ptrdiff_t>(width)))
          << address << " " << width;
    }
  }
}

TEST(BusTest, InsertRefusesBadRanges) {
  Bus bus("ports", Bus::kLastPort);
  RecordingBusDevice device;

  const absl::Status empty = bus.Insert({0x10, 0}, "nothing", &device);
  const absl::Status outside = bus.Insert({0xFFFF, 2}, "long", &device);
  const absl::Status overflow = bus.Insert({~uint64_t{0}, 2}, "huge", &device);

  EXPECT_EQ(empty.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(empty.message(), HasSubstr("nothing"));
  EXPECT_EQ(outside.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(outside.message(), HasSubstr("[0xffff, 0x10000] of long"));
  EXPECT_EQ(overflow.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Starts(bus), IsEmpty());
}

TEST(BusTest, OverlapNamesBothRanges) {
  Bus bus("mmio", Bus::kLastMmioAddress);
  RecordingBusDevice device;
  ASSERT_TRUE(bus.Insert({0x1000, 0x1000}, "net", &device).ok());

  for (const AddressRange range : {AddressRange{0x1000, 0x1000}, AddressRange{0xFFF, 2},
                                   AddressRange{0x1FFF, 1}, AddressRange{0, ~uint64_t{0}}}) {
    const absl::Status status = bus.Insert(range, "block", &device);
    EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
    EXPECT_THAT(status.message(), HasSubstr("block"));
    EXPECT_THAT(status.message(), HasSubstr("[0x1000, 0x1fff] of net"));
  }
  EXPECT_THAT(Starts(bus), ElementsAre(0x1000));
}

TEST(BusTest, FullBusRefuses) {
  Bus bus("ports", Bus::kLastPort, /*capacity=*/2);
  RecordingBusDevice device;
  ASSERT_TRUE(bus.Insert({1, 1}, "a", &device).ok());
  ASSERT_TRUE(bus.Insert({2, 1}, "b", &device).ok());

  const absl::Status status = bus.Insert({3, 1}, "c", &device);

  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("c"));
}

TEST(BusTest, RemovedRangeIsUnclaimed) {
  Bus bus("ports", Bus::kLastPort);
  RecordingBusDevice device;
  ASSERT_TRUE(bus.Insert({1, 1}, "a", &device).ok());
  std::vector<uint8_t> data(1);
  ASSERT_TRUE(bus.Read(1, absl::MakeSpan(data)));  // Now in this thread's hints.

  const absl::Status missing = bus.Remove(2);
  const absl::Status removed = bus.Remove(1);

  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(removed.ok());
  EXPECT_FALSE(bus.Read(1, absl::MakeSpan(data)));
}

TEST(BusTest, MoveKeepsTheOrderInBothDirections) {
  Bus bus("mmio", Bus::kLastMmioAddress);
  std::vector<RecordingBusDevice> devices;
  for (int i = 0; i < 5; ++i) devices.emplace_back(static_cast<uint8_t>(i * 16));
  for (uint64_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(bus.Insert({0x1000 * (i + 1), 16}, "device", &devices[i]).ok());
  }
  std::vector<uint8_t> data(1);

  EXPECT_TRUE(bus.Move(0x2000, 0x8000).ok());
  EXPECT_THAT(Starts(bus), ElementsAre(0x1000, 0x3000, 0x4000, 0x5000, 0x8000));
  EXPECT_TRUE(bus.Move(0x5000, 0x0).ok());
  EXPECT_THAT(Starts(bus), ElementsAre(0, 0x1000, 0x3000, 0x4000, 0x8000));
  EXPECT_TRUE(bus.Move(0x3000, 0x3008).ok());  // Onto its own old place.
  EXPECT_THAT(Starts(bus), ElementsAre(0, 0x1000, 0x3008, 0x4000, 0x8000));

  EXPECT_FALSE(bus.Read(0x2000, absl::MakeSpan(data)));
  EXPECT_TRUE(bus.Read(0x8001, absl::MakeSpan(data)));
  EXPECT_THAT(data, ElementsAre(0x11));
  EXPECT_TRUE(bus.Read(0x3008, absl::MakeSpan(data)));
  EXPECT_THAT(data, ElementsAre(0x20));
}

TEST(BusTest, FailedMoveLeavesTheOldPlace) {
  Bus bus("ports", Bus::kLastPort);
  RecordingBusDevice device(7);
  ASSERT_TRUE(bus.Insert({0x10, 4}, "a", &device).ok());
  ASSERT_TRUE(bus.Insert({0x20, 4}, "b", &device).ok());
  std::vector<uint8_t> data(1);

  EXPECT_EQ(bus.Move(0x10, 0x1D).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(bus.Move(0x10, 0xFFFD).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(bus.Move(0x10, ~uint64_t{0} - 1).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(bus.Move(0x11, 0x40).code(), absl::StatusCode::kNotFound);

  EXPECT_THAT(Starts(bus), ElementsAre(0x10, 0x20));
  EXPECT_TRUE(bus.Read(0x10, absl::MakeSpan(data)));
  EXPECT_THAT(data, ElementsAre(7));
}

TEST(BusTest, HintsDoNotLeakIntoAnotherBus) {
  RecordingBusDevice device(1);
  std::vector<uint8_t> data(1);
  for (int i = 0; i < 3; ++i) {
    Bus bus("ports", Bus::kLastPort);
    EXPECT_FALSE(bus.Read(0x70, absl::MakeSpan(data)));
    ASSERT_TRUE(bus.Insert({0x70, 2}, "rtc", &device).ok());
    EXPECT_TRUE(bus.Read(0x70, absl::MakeSpan(data)));
  }
}

// Answers with its identity at every offset. Thread-safe, as it has no state.
class ConstantDevice final : public BusDevice {
 public:
  explicit ConstantDevice(uint8_t value) : value_(value) {}
  void Read(uint64_t offset, absl::Span<uint8_t> data) override {
    for (uint8_t& byte : data) byte = offset < 16 ? value_ : 0xEE;
  }
  void Write(uint64_t, absl::Span<const uint8_t>) override {}

 private:
  const uint8_t value_;
};

// Two readers against two movers: a stable device is always found, a moving one answers as itself
// or not at all, and never with an offset outside its range.
TEST(BusTest, ReadersAgainstMovers) {
  constexpr int kMoves = 20000;
  Bus bus("mmio", Bus::kLastMmioAddress, /*capacity=*/16);
  ConstantDevice stable(0xAA);
  ConstantDevice moving(0xBB);
  ConstantDevice coming_and_going(0xCC);
  ASSERT_TRUE(bus.Insert({0x8000, 16}, "stable", &stable).ok());
  ASSERT_TRUE(bus.Insert({0x1000, 16}, "moving", &moving).ok());
  std::atomic<bool> stop{false};
  std::atomic<int> errors{0};

  const auto read = [&] {
    uint8_t byte = 0;
    while (!stop) {
      const bool claimed = bus.Read(0x8004, absl::MakeSpan(&byte, 1));
      if (!claimed || byte != 0xAA) ++errors;
      for (const uint64_t address : {uint64_t{0x1004}, uint64_t{0xF00F}}) {
        bus.Read(address, absl::MakeSpan(&byte, 1));
        if (byte != 0xBB && byte != 0xFF) ++errors;
      }
      bus.Read(0x4000, absl::MakeSpan(&byte, 1));
      if (byte != 0xCC && byte != 0xFF) ++errors;
    }
  };
  std::thread reader1(read);
  std::thread reader2(read);
  std::thread churner([&] {
    for (int i = 0; i < kMoves; ++i) {
      if (!bus.Insert({0x4000, 16}, "coming and going", &coming_and_going).ok()) ++errors;
      if (!bus.Remove(0x4000).ok()) ++errors;
    }
  });
  for (int i = 0; i < kMoves; ++i) {
    if (!bus.Move(0x1000, 0xF000).ok() || !bus.Move(0xF000, 0x1000).ok()) ++errors;
  }
  churner.join();
  stop = true;
  reader1.join();
  reader2.join();

  EXPECT_EQ(errors, 0);
  EXPECT_THAT(Starts(bus), ElementsAre(0x1000, 0x8000));
}

}  // namespace
}  // namespace touchstone
