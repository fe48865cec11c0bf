// Shared memory over PCI, as a driver finds it (Virtio 1.2, 4.1.4.7).

#include "devices/virtio/pci/shared_memory_bar.h"

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/endian.h"
#include "base/event/manual_loop.h"
#include "devices/irq/recording_msi_target.h"
#include "devices/pci/pci_registers.h"
#include "devices/virtio/core/queue_device.h"
#include "devices/virtio/pci/virtio_pci.h"
#include "devices/virtio/pci/virtio_pci_registers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr uint64_t kLarge = uint64_t{8} << 30;

// A device that does nothing but share memory.
class SharingDevice final : public QueueDevice {
 public:
  SharingDevice(EventLoop& loop, std::vector<SharedMemory> regions)
      : QueueDevice({.device_id = 26, .queue_sizes = {16}}, loop), regions_(std::move(regions)) {}
  [[nodiscard]] absl::Span<const SharedMemory> shared_memory() const override { return regions_; }

 private:
  void Handle(uint16_t /*queue*/, ReadableChain chain) override { std::move(chain).Complete(); }

  const std::vector<SharedMemory> regions_;
};

class SharedMemoryTest : public testing::Test {
 protected:
  absl::Status Create(std::vector<VirtioDevice::SharedMemory> regions) {
    pci_.reset();
    device_ = std::make_unique<SharingDevice>(loop_, std::move(regions));
    absl::StatusOr<std::unique_ptr<VirtioPci>> made = VirtioPci::Create(
        *device_, {.name = "fs",
                   .memory = {},
                   .msi = &msi_,
                   .on_shared_memory_moved = [this](std::optional<uint64_t> address) {
                     moved_.push_back(address);
                   }});
    if (made.ok()) pci_ = *std::move(made);
    return made.status();
  }
  template <typename T>
  T Get(uint32_t offset) {
    uint8_t data[sizeof(T)];
    pci_->ReadConfig(offset, absl::MakeSpan(data));
    return static_cast<T>(LoadLe(data));
  }
  // Offset and length of each region by id, out of the capabilities.
  std::map<int, std::pair<uint64_t, uint64_t>> Find() {
    std::map<int, std::pair<uint64_t, uint64_t>> found;
    for (uint32_t at = Get<uint8_t>(kPciCapabilities); at != 0; at = Get<uint8_t>(at + 1)) {
      if (Get<uint8_t>(at) != kPciCapabilityVendor) continue;
      if (Get<uint8_t>(at + kVirtioCapabilityType) != kVirtioCapabilitySharedMemory) continue;
      EXPECT_EQ(Get<uint8_t>(at + kVirtioCapabilityLengthOfAll), 24);
      EXPECT_EQ(Get<uint8_t>(at + kVirtioCapabilityBar), 2);
      const auto wide = [&](uint32_t low, uint32_t high) {
        return Get<uint32_t>(at + low) | uint64_t{Get<uint32_t>(at + high)} << 32;
      };
      found[Get<uint8_t>(at + kVirtioCapabilityId)] = {
          wide(kVirtioCapabilityOffset, kVirtioCapabilityOffsetHigh),
          wide(kVirtioCapabilityLength, kVirtioCapabilityLengthHigh)};
    }
    return found;
  }

  ManualLoop loop_;
  RecordingMsiTarget msi_;
  std::vector<std::optional<uint64_t>> moved_;
  std::unique_ptr<SharingDevice> device_;
  std::unique_ptr<VirtioPci> pci_;
};

TEST_F(SharedMemoryTest, DevicesWithoutItHaveOneBar) {
  ASSERT_TRUE(Create({}).ok());

  EXPECT_THAT(pci_->bars(), SizeIs(1));
  EXPECT_THAT(Find(), IsEmpty());
  EXPECT_THAT(pci_->shared_memory(), IsEmpty());
}

TEST_F(SharedMemoryTest, CapabilitiesSayWhereTheRegionsAre) {
  ASSERT_TRUE(Create({{.id = 3, .size = kLarge}, {.id = 0, .size = 0x3000}}).ok());

  EXPECT_EQ(Find(), (std::map<int, std::pair<uint64_t, uint64_t>>{{3, {0, kLarge}},
                                                                  {0, {kLarge, 0x3000}}}));
  EXPECT_THAT(pci_->shared_memory(),
              ElementsAre(SharedMemoryBar::Region{.id = 3, .offset = 0, .size = kLarge},
                          SharedMemoryBar::Region{.id = 0, .offset = kLarge, .size = 0x3000}));
}

TEST_F(SharedMemoryTest, BarIsLargeEnoughForAll) {
  ASSERT_TRUE(Create({{.id = 0, .size = kLarge}, {.id = 1, .size = 0x1000}}).ok());

  ASSERT_THAT(pci_->bars(), SizeIs(2));
  const PciBar bar = pci_->bars()[1].bar;
  EXPECT_EQ(bar.size, 2 * kLarge);
  EXPECT_EQ(bar.kind, PciBarKind::kMemory64);
  EXPECT_TRUE(bar.prefetchable);
}

TEST_F(SharedMemoryTest, WhatIsNotMappedIsNothing) {
  ASSERT_TRUE(Create({{.id = 0, .size = 0x1000}}).ok());
  BusDevice& memory = *pci_->bars()[1].device;
  uint8_t data[8] = {1, 2, 3, 4, 5, 6, 7, 8};

  memory.Write(0xFFC, data);
  memory.Read(0xFFC, absl::MakeSpan(data));

  EXPECT_THAT(data, testing::Each(0));
}

TEST_F(SharedMemoryTest, MachineHearsWhereItIs) {
  ASSERT_TRUE(Create({{.id = 0, .size = 0x1000}}).ok());

  pci_->BarMoved(2, uint64_t{1} << 40);
  pci_->BarMoved(0, 0xD0000000);
  pci_->BarMoved(2, std::nullopt);

  EXPECT_THAT(moved_, ElementsAre(uint64_t{1} << 40, std::nullopt));
}

TEST_F(SharedMemoryTest, ImpossibleRegionsAreRefused) {
  EXPECT_EQ(Create({{.id = 0, .size = 0}}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Create({{.id = 0, .size = 0x1001}}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Create({{.id = 1, .size = 0x1000}, {.id = 1, .size = 0x1000}}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Create({{.id = 0, .size = ~uint64_t{0xFFF}}, {.id = 1, .size = 0x1000}}).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(
      Create({{.id = 0, .size = 0x1000}, {.id = 1, .size = SharedMemoryBar::kMaxSize}}).code(),
      absl::StatusCode::kResourceExhausted);
}

TEST_F(SharedMemoryTest, MoreRegionsThanCapabilitiesFitAreRefused) {
  std::vector<VirtioDevice::SharedMemory> regions;
  for (uint8_t id = 0; id < 20; ++id) regions.push_back({.id = id, .size = 0x1000});

  EXPECT_EQ(Create(regions).code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace touchstone
