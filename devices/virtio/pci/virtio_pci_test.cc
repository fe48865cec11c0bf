#include "devices/virtio/pci/virtio_pci.h"

#include <algorithm>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/endian.h"
#include "base/event/epoll_loop.h"
#include "base/event/manual_loop.h"
#include "base/log.h"
#include "devices/irq/recording_irq_line.h"
#include "devices/irq/recording_msi_target.h"
#include "devices/virtio/core/queue_device.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/pci/virtio_pci_registers.h"
#include "devices/virtio/testing/driver_queue.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr uint64_t kOwnFeature = 1 << 5;
constexpr uint64_t kMemoryStart = 0x100000;
constexpr uint64_t kQueueMemory = 0x10000;

// Eight bytes of configuration, two queues that echo.
class EchoDevice final : public QueueDevice {
 public:
  explicit EchoDevice(EventLoop& loop)
      : QueueDevice({.device_id = 4,
                     .queue_sizes = {16, 8},
                     .features = kOwnFeature | kVirtioPackedRing | kVirtioIndirectDescriptors},
                    loop) {}

  void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) override {
    for (size_t i = 0; i < data.size() && offset + i < config_.size(); ++i) {
      data[i] = config_[offset + i];
    }
  }
  void WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) override {
    for (size_t i = 0; i < data.size() && offset + i < config_.size(); ++i) {
      config_[offset + i] = data[i];
    }
  }
  void ChangeConfig() {
    config_[0] = 99;
    driver().interrupt->SignalConfig();
  }
  [[nodiscard]] uint64_t negotiated() const { return driver().features; }
  [[nodiscard]] bool attached() const { return driver().interrupt != nullptr; }

 private:
  void Handle(uint16_t /*queue*/, ReadableChain chain) override {
    std::vector<uint8_t> bytes(std::min(chain.readable(), chain.writable()));
    const absl::Status read = chain.Read(absl::MakeSpan(bytes));
    WritableChain answer = std::move(chain).IntoWritable();
    if (read.ok()) answer.Write(bytes).IgnoreError();
    std::move(answer).Complete();
  }

  std::vector<uint8_t> config_ = {1, 2, 3, 4, 5, 6, 7, 8};
};

class VirtioPciTest : public testing::Test {
 protected:
  explicit VirtioPciTest(bool access_platform = false) {
    pci_ = VirtioPci::Create(device_, {.name = "echo",
                                       .memory = memory_,
                                       .msi = &msi_,
                                       .access_platform = access_platform,
                                       .on_kick_addresses =
                                           [this](auto addresses) {
                                             told_.push_back({});
                                             for (const auto& kick : addresses) {
                                               told_.back().push_back(kick.address);
                                             }
                                           }})
               .value();
    pci_->ConnectIntx({.pin = 2, .gsi = 10, .line = &line_});
  }

  template <typename T>
  T Get(uint64_t offset) {
    uint8_t data[sizeof(T)];
    std::fill(std::begin(data), std::end(data), 0xFF);
    pci_->Read(offset, absl::MakeSpan(data));
    return static_cast<T>(LoadLe(data));
  }
  template <typename T>
  void Put(uint64_t offset, T value) {
    uint8_t data[sizeof(T)];
    StoreLe(value, absl::MakeSpan(data));
    pci_->Write(offset, data);
  }
  template <typename T>
  T GetConfig(uint32_t offset) {
    uint8_t data[sizeof(T)];
    pci_->ReadConfig(offset, absl::MakeSpan(data));
    return static_cast<T>(LoadLe(data));
  }
  template <typename T>
  void PutConfig(uint32_t offset, T value) {
    uint8_t data[sizeof(T)];
    StoreLe(value, absl::MakeSpan(data));
    pci_->WriteConfig(offset, data);
  }

  // The offset of a capability in configuration space, by id and virtio type; 0 when there is none.
  uint32_t FindCapability(uint8_t id, uint8_t type = 0) {
    uint32_t at = GetConfig<uint8_t>(kPciCapabilities);
    while (at != 0 &&
           (GetConfig<uint8_t>(at) != id || (type != 0 && GetConfig<uint8_t>(at + 3) != type))) {
      at = GetConfig<uint8_t>(at + 1);
    }
    return at;
  }

  uint8_t status() { return Get<uint8_t>(kVirtioStatus); }
  uint64_t OfferedFeatures() {
    Put<uint32_t>(kVirtioDeviceFeatureSelect, 1);
    const uint64_t high = Get<uint32_t>(kVirtioDeviceFeature);
    Put<uint32_t>(kVirtioDeviceFeatureSelect, 0);
    return high << 32 | Get<uint32_t>(kVirtioDeviceFeature);
  }
  void WriteFeatures(uint64_t features) {
    Put<uint32_t>(kVirtioDriverFeatureSelect, 0);
    Put(kVirtioDriverFeature, static_cast<uint32_t>(features));
    Put<uint32_t>(kVirtioDriverFeatureSelect, 1);
    Put(kVirtioDriverFeature, static_cast<uint32_t>(features >> 32));
  }
  void Negotiate(uint64_t features) {
    Put<uint8_t>(kVirtioStatus, kVirtioAcknowledge);
    Put<uint8_t>(kVirtioStatus, kVirtioAcknowledge | kVirtioDriver);
    WriteFeatures(features);
    Put<uint8_t>(kVirtioStatus, kVirtioAcknowledge | kVirtioDriver | kVirtioFeaturesOk);
  }
  void SetUpQueue(uint16_t index, uint16_t size, uint64_t features) {
    queues_[index] = std::make_unique<DriverQueue>(
        memory_,
        GuestMemory::RegionSpec{GuestAddress{kMemoryStart + index * kQueueMemory}, kQueueMemory},
        size, features);
    const QueueLayout& layout = queues_[index]->layout();
    Put<uint16_t>(kVirtioQueueSelect, index);
    Put<uint16_t>(kVirtioQueueSize, size);
    Put<uint32_t>(kVirtioQueueDescriptors, static_cast<uint32_t>(Raw(layout.descriptors)));
    Put<uint32_t>(kVirtioQueueDescriptors + 4, 0);
    Put<uint64_t>(kVirtioQueueDriver, Raw(layout.driver));
    Put<uint64_t>(kVirtioQueueDevice, Raw(layout.device));
    Put<uint16_t>(kVirtioQueueEnable, 1);
  }
  void DriverOk() { Put<uint8_t>(kVirtioStatus, status() | kVirtioDriverOk); }
  void Run(uint64_t features = kVirtioVersion1) {
    Negotiate(features);
    SetUpQueue(0, 16, features);
    SetUpQueue(1, 8, features);
    DriverOk();
    loop_.RunReady();
  }
  // Sends a byte through a queue, kicks; true when it came back.
  bool Echoes(uint16_t index) {
    queues_[index]->Chain().Readable({0x5A}).Writable(1).Send();
    Put<uint16_t>(kVirtioNotify + 4 * index, index);
    loop_.RunReady();
    const auto used = queues_[index]->PollUsed();
    return used.has_value() && used->length == 1 && used->data[0] == 0x5A;
  }
  // Vector n sends 0xFEE00000, data n.
  void EnableMsix() {
    for (uint32_t vector = 0; vector < 3; ++vector) {
      Put<uint64_t>(kVirtioMsixTable + 16 * vector, 0xFEE00000);
      Put<uint64_t>(kVirtioMsixTable + 16 * vector + 8, vector);
    }
    PutConfig<uint16_t>(FindCapability(kPciCapabilityMsix) + 2, 0x8000);
  }

  GuestMemory memory_ =
      GuestMemory::Create({{GuestAddress{kMemoryStart}, 2 * kQueueMemory}}, {}).value();
  ManualLoop loop_;
  EchoDevice device_{loop_};
  RecordingMsiTarget msi_;
  RecordingIrqLine line_;
  std::vector<std::vector<uint64_t>> told_;  // Addresses of each on_kick_addresses.
  std::map<uint16_t, std::unique_ptr<DriverQueue>> queues_;
  std::unique_ptr<VirtioPci> pci_;
};

TEST_F(VirtioPciTest, IdentityIsModernVirtio) {
  EXPECT_EQ(GetConfig<uint32_t>(kPciVendorId), 0x1044'1AF4u);
  EXPECT_EQ(GetConfig<uint32_t>(kPciSubsystemVendor), 0x1044'1AF4u);
  EXPECT_EQ(GetConfig<uint32_t>(kPciRevision), 0x0880'0001u);
  EXPECT_EQ(GetConfig<uint8_t>(kPciInterruptPin), 2);
  EXPECT_EQ(pci_->name(), "echo");
  ASSERT_THAT(pci_->bars(), SizeIs(1));
  EXPECT_EQ(pci_->bars()[0].bar.size, 0x8000u);
}

TEST_F(VirtioPciTest, CapabilitiesSayWhereTheStructuresAre) {
  const auto structure = [this](uint8_t type) {
    const uint32_t at = FindCapability(kPciCapabilityVendor, type);
    EXPECT_NE(at, 0u);
    EXPECT_EQ(GetConfig<uint8_t>(at + kVirtioCapabilityBar), 0);
    return std::pair(GetConfig<uint32_t>(at + kVirtioCapabilityOffset),
                     GetConfig<uint32_t>(at + kVirtioCapabilityLength));
  };

  EXPECT_EQ(structure(kVirtioCapabilityCommon), std::pair(0x0000u, 60u));
  EXPECT_EQ(structure(kVirtioCapabilityIsr), std::pair(0x1000u, 1u));
  EXPECT_EQ(structure(kVirtioCapabilityDevice), std::pair(0x2000u, 0x1000u));
  EXPECT_EQ(structure(kVirtioCapabilityNotify), std::pair(0x3000u, 0x1000u));
  const uint32_t notify = FindCapability(kPciCapabilityVendor, kVirtioCapabilityNotify);
  EXPECT_EQ(GetConfig<uint8_t>(notify + 2), 20);
  EXPECT_EQ(GetConfig<uint32_t>(notify + 16), 4u);
  EXPECT_NE(FindCapability(kPciCapabilityVendor, kVirtioCapabilityPciConfig), 0u);
  EXPECT_NE(FindCapability(kPciCapabilityPowerManagement), 0u);
  const uint32_t msix = FindCapability(kPciCapabilityMsix);
  EXPECT_EQ(GetConfig<uint16_t>(msix + 2), 2);
  EXPECT_EQ(GetConfig<uint32_t>(msix + 4), 0x6000u);
  EXPECT_EQ(GetConfig<uint32_t>(msix + 8), 0x7000u);
}

TEST_F(VirtioPciTest, RegistersAfterPowerOn) {
  EXPECT_EQ(status(), 0);
  EXPECT_EQ(Get<uint16_t>(kVirtioQueueCount), 2);
  EXPECT_EQ(Get<uint16_t>(kVirtioConfigVector), kVirtioNoVector);
  EXPECT_EQ(Get<uint16_t>(kVirtioQueueVector), kVirtioNoVector);
  EXPECT_EQ(Get<uint16_t>(kVirtioQueueSize), 16);
  EXPECT_EQ(Get<uint16_t>(kVirtioQueueEnable), 0);
  EXPECT_EQ(OfferedFeatures(), device_.features() | kVirtioRingReset);
  Put<uint32_t>(kVirtioDeviceFeatureSelect, 2);
  EXPECT_EQ(Get<uint32_t>(kVirtioDeviceFeature), 0u);
}

TEST_F(VirtioPciTest, QueuesThatDoNotExistHaveSizeZero) {
  for (const uint16_t index : {2, 3, 0x7FFF, 0xFFFF}) {
    Put<uint16_t>(kVirtioQueueSelect, index);
    Put<uint16_t>(kVirtioQueueSize, 4);
    Put<uint16_t>(kVirtioQueueVector, 1);
    Put<uint64_t>(kVirtioQueueDescriptors, kMemoryStart);
    Put<uint16_t>(kVirtioQueueEnable, 1);
    Put<uint16_t>(kVirtioQueueReset, 1);

    EXPECT_EQ(Get<uint16_t>(kVirtioQueueSelect), index);
    EXPECT_EQ(Get<uint16_t>(kVirtioQueueSize), 0);
    EXPECT_EQ(Get<uint16_t>(kVirtioQueueEnable), 0);
    EXPECT_EQ(Get<uint16_t>(kVirtioQueueVector), kVirtioNoVector);
  }
}

TEST_F(VirtioPciTest, DeviceRunsWhenTheDriverIsReady) {
  Run(kVirtioVersion1 | kOwnFeature);

  EXPECT_EQ(status(), kVirtioAcknowledge | kVirtioDriver | kVirtioFeaturesOk | kVirtioDriverOk);
  EXPECT_EQ(device_.negotiated(), kVirtioVersion1 | kOwnFeature);
  EXPECT_TRUE(Echoes(0));
  EXPECT_TRUE(Echoes(1));
}

TEST_F(VirtioPciTest, PackedRingsWithEventIndex) {
  Run(kVirtioVersion1 | kVirtioPackedRing | kVirtioEventIndex);

  for (int i = 0; i < 50; ++i) ASSERT_TRUE(Echoes(0));
}

TEST_F(VirtioPciTest, FeaturesThatWereNotOfferedAreNotSettled) {
  Negotiate(kVirtioVersion1 | 1);

  EXPECT_EQ(status(), kVirtioAcknowledge | kVirtioDriver);
}

TEST_F(VirtioPciTest, LegacyDriversAreNotServed) {
  Negotiate(kOwnFeature);

  EXPECT_EQ(status(), kVirtioAcknowledge | kVirtioDriver);
}

TEST_F(VirtioPciTest, SettledFeaturesDoNotChange) {
  Negotiate(kVirtioVersion1);
  WriteFeatures(kVirtioVersion1 | kVirtioPackedRing);

  Put<uint32_t>(kVirtioDriverFeatureSelect, 1);
  EXPECT_EQ(Get<uint32_t>(kVirtioDriverFeature), kVirtioVersion1 >> 32);
}

TEST_F(VirtioPciTest, ReadyBeforeTheFeaturesAreSettledIsIgnored) {
  Put<uint8_t>(kVirtioStatus, kVirtioAcknowledge | kVirtioDriver | kVirtioDriverOk);

  EXPECT_EQ(status(), kVirtioAcknowledge | kVirtioDriver);
  EXPECT_FALSE(device_.attached());
}

TEST_F(VirtioPciTest, StatusBitsAreNotCleared) {
  Run();
  Put<uint8_t>(kVirtioStatus, kVirtioAcknowledge);

  EXPECT_EQ(status(), kVirtioAcknowledge | kVirtioDriver | kVirtioFeaturesOk | kVirtioDriverOk);
}

TEST_F(VirtioPciTest, NeedsResetIsReadOnly) {
  Put<uint8_t>(kVirtioStatus, 0xFF & ~kVirtioFeaturesOk & ~kVirtioDriverOk);

  EXPECT_EQ(status(), kVirtioAcknowledge | kVirtioDriver | kVirtioFailed);
}

TEST_F(VirtioPciTest, ResetForgetsEverything) {
  Run();
  Put<uint16_t>(kVirtioConfigVector, 1);
  Put<uint8_t>(kVirtioStatus, 0);

  EXPECT_EQ(status(), 0);
  EXPECT_FALSE(device_.attached());
  EXPECT_EQ(Get<uint16_t>(kVirtioConfigVector), kVirtioNoVector);
  EXPECT_EQ(Get<uint16_t>(kVirtioQueueSelect), 0);
  EXPECT_EQ(Get<uint16_t>(kVirtioQueueEnable), 0);
  EXPECT_EQ(Get<uint16_t>(kVirtioQueueSize), 16);
  EXPECT_EQ(Get<uint64_t>(kVirtioQueueDescriptors), 0u);
  EXPECT_FALSE(line_.level());
  Run();
  EXPECT_TRUE(Echoes(0));
}

// KE-01.
TEST_F(VirtioPciTest, EnabledQueueDoesNotChange) {
  Run();
  const QueueLayout layout = queues_[0]->layout();
  Put<uint16_t>(kVirtioQueueSelect, 0);
  for (const uint16_t size : {0, 1, 8, 32768, 0xFFFF}) Put<uint16_t>(kVirtioQueueSize, size);
  for (const uint32_t at : {kVirtioQueueDescriptors, kVirtioQueueDriver, kVirtioQueueDevice}) {
    Put<uint64_t>(at, 0x12345678'00000010);
    Put<uint32_t>(at, 0xFFFFFFF0);
    Put<uint32_t>(at + 4, 0xFFFFFFFF);
  }
  Put<uint16_t>(kVirtioQueueEnable, 0);

  EXPECT_EQ(Get<uint16_t>(kVirtioQueueSize), 16);
  EXPECT_EQ(Get<uint64_t>(kVirtioQueueDescriptors), Raw(layout.descriptors));
  EXPECT_EQ(Get<uint64_t>(kVirtioQueueDriver), Raw(layout.driver));
  EXPECT_EQ(Get<uint64_t>(kVirtioQueueDevice), Raw(layout.device));
  EXPECT_EQ(Get<uint16_t>(kVirtioQueueEnable), 1);
  EXPECT_TRUE(Echoes(0));
}

// KE-18.
TEST_F(VirtioPciTest, QueueSizesOutOfBoundsAreIgnored) {
  for (const uint16_t size : {0, 17, 32768, 0xFFFF}) Put<uint16_t>(kVirtioQueueSize, size);
  EXPECT_EQ(Get<uint16_t>(kVirtioQueueSize), 16);
  Put<uint16_t>(kVirtioQueueSize, 4);

  EXPECT_EQ(Get<uint16_t>(kVirtioQueueSize), 4);
}

// KE-12: the queue is looked at when the driver is ready.
TEST_F(VirtioPciTest, ImpossibleQueueNeedsAReset) {
  Negotiate(kVirtioVersion1);
  Put<uint64_t>(kVirtioQueueDescriptors, ~uint64_t{15});
  Put<uint16_t>(kVirtioQueueEnable, 1);
  DriverOk();

  EXPECT_NE(status() & kVirtioNeedsReset, 0);
  EXPECT_TRUE(line_.level());
  EXPECT_EQ(Get<uint8_t>(kVirtioIsr), kVirtioIsrConfig);
  Put<uint8_t>(kVirtioStatus, 0);
  EXPECT_EQ(status(), 0);
  Run();
  EXPECT_TRUE(Echoes(0));
}

TEST_F(VirtioPciTest, SplitQueueOfOddSizeNeedsAReset) {
  Negotiate(kVirtioVersion1);
  Put<uint16_t>(kVirtioQueueSize, 3);
  Put<uint64_t>(kVirtioQueueDescriptors, kMemoryStart);
  Put<uint64_t>(kVirtioQueueDriver, kMemoryStart);
  Put<uint64_t>(kVirtioQueueDevice, kMemoryStart);
  Put<uint16_t>(kVirtioQueueEnable, 1);
  DriverOk();

  EXPECT_NE(status() & kVirtioNeedsReset, 0);
}

TEST_F(VirtioPciTest, BrokenRingNeedsAReset) {
  Run();
  ASSERT_TRUE(memory_.WriteObject(queues_[0]->layout().driver + 2, Le16(0x7000)).ok());
  Put<uint16_t>(kVirtioNotify, 0);
  loop_.RunReady();

  EXPECT_NE(status() & kVirtioNeedsReset, 0);
  EXPECT_TRUE(line_.level());
}

TEST_F(VirtioPciTest, LateQueuesNeedQueueReset) {
  Negotiate(kVirtioVersion1);
  SetUpQueue(0, 16, kVirtioVersion1);
  DriverOk();
  SetUpQueue(1, 8, kVirtioVersion1);

  EXPECT_EQ(Get<uint16_t>(kVirtioQueueEnable), 0);
}

TEST_F(VirtioPciTest, OneQueueIsResetAndSetUpAnew) {
  const uint64_t features = kVirtioVersion1 | kVirtioRingReset;
  Run(features);
  EXPECT_TRUE(Echoes(0));
  EXPECT_TRUE(Echoes(1));
  Put<uint16_t>(kVirtioQueueSelect, 0);
  Put<uint16_t>(kVirtioQueueReset, 1);

  EXPECT_EQ(Get<uint16_t>(kVirtioQueueReset), 0);
  EXPECT_EQ(Get<uint16_t>(kVirtioQueueEnable), 0);
  EXPECT_TRUE(Echoes(1));
  SetUpQueue(0, 8, features);
  loop_.RunReady();
  EXPECT_TRUE(Echoes(0));
}

TEST_F(VirtioPciTest, QueueResetNeedsTheFeature) {
  Run();
  Put<uint16_t>(kVirtioQueueSelect, 0);
  Put<uint16_t>(kVirtioQueueReset, 1);

  EXPECT_EQ(Get<uint16_t>(kVirtioQueueEnable), 1);
  EXPECT_TRUE(Echoes(0));
}

TEST_F(VirtioPciTest, ImpossibleLateQueueNeedsAReset) {
  Run(kVirtioVersion1 | kVirtioRingReset);
  Put<uint16_t>(kVirtioQueueSelect, 1);
  Put<uint16_t>(kVirtioQueueReset, 1);
  Put<uint16_t>(kVirtioQueueEnable, 1);

  EXPECT_NE(status() & kVirtioNeedsReset, 0);
}

TEST_F(VirtioPciTest, InterruptsByLineWithoutMsix) {
  Run();
  EXPECT_FALSE(line_.level());
  ASSERT_TRUE(Echoes(0));

  EXPECT_TRUE(line_.level());
  EXPECT_NE(GetConfig<uint16_t>(kPciStatus) & kPciStatusInterrupt, 0);
  EXPECT_EQ(Get<uint8_t>(kVirtioIsr), kVirtioIsrQueue);
  EXPECT_FALSE(line_.level());
  EXPECT_EQ(Get<uint8_t>(kVirtioIsr), 0);
  EXPECT_EQ(GetConfig<uint16_t>(kPciStatus) & kPciStatusInterrupt, 0);
  EXPECT_THAT(msi_.Drain(), IsEmpty());
}

TEST_F(VirtioPciTest, DisabledLineStaysLowUntilItIsEnabled) {
  Run();
  PutConfig<uint16_t>(kPciCommand, kPciCommandIntxDisable);
  ASSERT_TRUE(Echoes(0));
  EXPECT_FALSE(line_.level());
  PutConfig<uint16_t>(kPciCommand, 0);

  EXPECT_TRUE(line_.level());
}

TEST_F(VirtioPciTest, InterruptsByMsix) {
  EnableMsix();
  Run();
  Put<uint16_t>(kVirtioConfigVector, 0);
  Put<uint16_t>(kVirtioQueueSelect, 0);
  Put<uint16_t>(kVirtioQueueVector, 1);
  EXPECT_EQ(Get<uint16_t>(kVirtioQueueVector), 1);
  Put<uint16_t>(kVirtioQueueSelect, 1);
  Put<uint16_t>(kVirtioQueueVector, 2);

  ASSERT_TRUE(Echoes(1));
  EXPECT_THAT(msi_.Drain(), ElementsAre(RecordingMsiTarget::Message{0xFEE00000, 2}));
  ASSERT_TRUE(Echoes(0));
  EXPECT_THAT(msi_.Drain(), ElementsAre(RecordingMsiTarget::Message{0xFEE00000, 1}));
  device_.ChangeConfig();
  EXPECT_THAT(msi_.Drain(), ElementsAre(RecordingMsiTarget::Message{0xFEE00000, 0}));
  EXPECT_FALSE(line_.level());
}

TEST_F(VirtioPciTest, QueueWithoutVectorIsSilent) {
  EnableMsix();
  Run();
  ASSERT_TRUE(Echoes(0));

  EXPECT_THAT(msi_.Drain(), IsEmpty());
  EXPECT_FALSE(line_.level());
}

// KE-03.
TEST_F(VirtioPciTest, VectorsThatDoNotExistAreNone) {
  for (const uint16_t vector : {3, 0x7FF, 0x7FFF, 0xFFFE}) {
    Put<uint16_t>(kVirtioConfigVector, 1);
    Put<uint16_t>(kVirtioConfigVector, vector);
    Put<uint16_t>(kVirtioQueueVector, vector);
    EXPECT_EQ(Get<uint16_t>(kVirtioConfigVector), kVirtioNoVector);
    EXPECT_EQ(Get<uint16_t>(kVirtioQueueVector), kVirtioNoVector);
  }
  EnableMsix();
  Run();
  device_.ChangeConfig();

  EXPECT_THAT(msi_.Drain(), IsEmpty());
}

TEST_F(VirtioPciTest, ConfigurationIsTheDevices) {
  EXPECT_EQ(Get<uint64_t>(kVirtioConfig), 0x0807060504030201u);
  EXPECT_EQ(Get<uint32_t>(kVirtioConfig + 6), 0x0807u);
  Put<uint16_t>(kVirtioConfig + 2, 0xBEEF);
  EXPECT_EQ(Get<uint16_t>(kVirtioConfig + 2), 0xBEEF);
  EXPECT_EQ(Get<uint64_t>(kVirtioConfig + 0xFFC), 0u);
}

TEST_F(VirtioPciTest, GenerationChangesWithTheConfiguration) {
  Run();
  const uint8_t before = Get<uint8_t>(kVirtioConfigGeneration);
  EXPECT_EQ(Get<uint8_t>(kVirtioConfigGeneration), before);
  device_.ChangeConfig();

  EXPECT_NE(Get<uint8_t>(kVirtioConfigGeneration), before);
  EXPECT_EQ(Get<uint8_t>(kVirtioIsr), kVirtioIsrConfig);
  EXPECT_EQ(Get<uint8_t>(kVirtioConfig), 99);
}

TEST_F(VirtioPciTest, NotifyPointsAreDataForTheMachine) {
  Run();
  const std::vector<VirtioPci::NotifyPoint> points = pci_->notify_points();
  ASSERT_THAT(points, SizeIs(2));
  EXPECT_EQ(points[0].offset, 0x3000u);
  EXPECT_EQ(points[1].offset, 0x3004u);
  queues_[1]->Chain().Readable({1}).Writable(1).Send();

  points[1].event->Signal();
  loop_.RunReady();

  EXPECT_TRUE(queues_[1]->PollUsed().has_value());
}

// KE-05: only the notify points of queues there are do anything, with any value and width.
TEST_F(VirtioPciTest, NotifiesOutOfBoundsAreIgnored) {
  Run();
  for (uint32_t at = kVirtioNotify; at < kVirtioMsixTable; ++at) {
    if (at == kVirtioNotify || at == kVirtioNotify + 4) continue;
    Put<uint32_t>(at, 0xFFFFFFFF);
  }
  EXPECT_EQ(pci_->notify_points()[0].event->Drain(), 0u);
  EXPECT_EQ(pci_->notify_points()[1].event->Drain(), 0u);
  Put<uint32_t>(kVirtioNotify, 0xFFFFFFFF);
  Put<uint8_t>(kVirtioNotify + 4, 0xFF);

  EXPECT_EQ(pci_->notify_points()[0].event->Drain(), 1u);
  EXPECT_EQ(pci_->notify_points()[1].event->Drain(), 1u);
}

TEST_F(VirtioPciTest, KickAddressesAreTheRunningQueues) {
  pci_->BarMoved(0, 0xD0000000);
  EXPECT_THAT(told_, IsEmpty());
  Run(kVirtioVersion1 | kVirtioRingReset);
  Put<uint16_t>(kVirtioQueueSelect, 0);
  Put<uint16_t>(kVirtioQueueReset, 1);
  Put<uint8_t>(kVirtioStatus, 0);

  EXPECT_THAT(told_,
              ElementsAre(ElementsAre(0xD0003000, 0xD0003004), ElementsAre(0xD0003004), IsEmpty()));
}

TEST_F(VirtioPciTest, KickAddressesFollowTheBar) {
  Run();
  pci_->BarMoved(0, 0xD0000000);
  pci_->BarMoved(0, 0xE0000000);
  pci_->BarMoved(0, std::nullopt);

  EXPECT_THAT(told_, ElementsAre(ElementsAre(0xD0003000, 0xD0003004),
                                 ElementsAre(0xE0003000, 0xE0003004), IsEmpty()));
}

TEST_F(VirtioPciTest, ResetByTheMachineIsOneByTheDriver) {
  pci_->BarMoved(0, 0xD0000000);
  Run();
  pci_->Reset();

  EXPECT_EQ(status(), 0);
  EXPECT_FALSE(device_.attached());
  EXPECT_THAT(told_, ElementsAre(SizeIs(2), IsEmpty()));
}

TEST_F(VirtioPciTest, AsleepItWorksOnNothingAndGoesOnWhereItWas) {
  pci_->BarMoved(0, 0xD0000000);
  Run(kVirtioVersion1 | kVirtioEventIndex);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Echoes(0));

  ASSERT_TRUE(pci_->Sleep().ok());
  ASSERT_TRUE(pci_->Sleep().ok());
  EXPECT_FALSE(Echoes(0));
  EXPECT_FALSE(Echoes(1));
  EXPECT_TRUE(device_.attached());
  EXPECT_THAT(told_, ElementsAre(SizeIs(2)));
  pci_->WakeUp();
  pci_->WakeUp();
  loop_.RunReady();

  // What was sent meanwhile comes now.
  EXPECT_TRUE(queues_[0]->PollUsed().has_value());
  EXPECT_TRUE(queues_[1]->PollUsed().has_value());
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(Echoes(0) && Echoes(1));
  EXPECT_EQ(status() & kVirtioNeedsReset, 0);
}

TEST_F(VirtioPciTest, PackedRingsSleepAtAnyPosition) {
  Run(kVirtioVersion1 | kVirtioPackedRing | kVirtioEventIndex);

  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(pci_->Sleep().ok());
    pci_->WakeUp();
    ASSERT_TRUE(Echoes(0)) << i;
  }
}

TEST_F(VirtioPciTest, WithoutADriverThereIsNothingToPutToSleep) {
  ASSERT_TRUE(pci_->Sleep().ok());
  pci_->WakeUp();

  Run();
  EXPECT_TRUE(Echoes(0));
}

TEST_F(VirtioPciTest, AResetEndsTheSleep) {
  Run();
  ASSERT_TRUE(pci_->Sleep().ok());
  pci_->Reset();
  pci_->WakeUp();

  EXPECT_FALSE(device_.attached());
  Run();
  EXPECT_TRUE(Echoes(1));
}

TEST_F(VirtioPciTest, ADeviceThatCannotBePutToSleepGoesOn) {
  Run();
  ASSERT_TRUE(device_.StopQueue(1).ok());

  EXPECT_TRUE(absl::IsFailedPrecondition(pci_->Sleep()));

  EXPECT_TRUE(Echoes(0));
}

TEST_F(VirtioPciTest, WhatTheDriverHasToResetIsAsleep) {
  Run();
  ASSERT_TRUE(device_.StopQueue(1).ok());
  // The available index is 100 ahead.
  memory_.WriteObject(queues_[0]->layout().driver + 2, Le16(100)).IgnoreError();
  Put<uint16_t>(kVirtioNotify, 0);
  loop_.RunReady();
  ASSERT_NE(status() & kVirtioNeedsReset, 0);

  EXPECT_TRUE(pci_->Sleep().ok());
  pci_->WakeUp();

  EXPECT_NE(status() & kVirtioNeedsReset, 0);
  pci_->Reset();
  Run();
  EXPECT_TRUE(Echoes(0));
  EXPECT_TRUE(Echoes(1));
}

TEST_F(VirtioPciTest, RegistersAreReachedThroughConfigurationSpace) {
  const uint32_t at = FindCapability(kPciCapabilityVendor, kVirtioCapabilityPciConfig);
  const auto window = [&](uint8_t bar, uint32_t offset, uint32_t length) {
    PutConfig<uint8_t>(at + kVirtioCapabilityBar, bar);
    PutConfig<uint32_t>(at + kVirtioCapabilityOffset, offset);
    PutConfig<uint32_t>(at + kVirtioCapabilityLength, length);
  };
  window(0, kVirtioStatus, 1);
  PutConfig<uint8_t>(at + kVirtioCapabilityData, kVirtioAcknowledge);
  EXPECT_EQ(status(), kVirtioAcknowledge);
  EXPECT_EQ(GetConfig<uint8_t>(at + kVirtioCapabilityData), kVirtioAcknowledge);
  window(0, kVirtioQueueCount, 2);
  EXPECT_EQ(GetConfig<uint16_t>(at + kVirtioCapabilityData), 2);
  // KE-06: what makes no sense is inert.
  for (const auto& [bar, offset, length] :
       std::vector<std::tuple<uint8_t, uint32_t, uint32_t>>{{1, kVirtioStatus, 1},
                                                            {0, 0xFFFFFFFC, 4},
                                                            {0, 0x8000, 4},
                                                            {0, kVirtioStatus, 0},
                                                            {0, kVirtioStatus, 3},
                                                            {0, kVirtioStatus + 1, 4},
                                                            {0, 0xFFFFFFFC, 8},
                                                            {0, 0, 0xFFFFFFFF}}) {
    window(bar, offset, length);
    PutConfig<uint32_t>(at + kVirtioCapabilityData, 0);
    EXPECT_EQ(GetConfig<uint32_t>(at + kVirtioCapabilityData), 0u);
  }
  EXPECT_EQ(status(), kVirtioAcknowledge);
}

TEST_F(VirtioPciTest, ConfigurationSpaceOffersNothingElseToWrite) {
  const uint32_t identity = GetConfig<uint32_t>(0);
  for (uint32_t at = 0; at < 256; at += 4) {
    if (at == FindCapability(kPciCapabilityMsix)) continue;
    PutConfig<uint32_t>(at, 0xFFFFFFFF);
  }

  EXPECT_EQ(GetConfig<uint32_t>(0), identity);
  EXPECT_EQ(GetConfig<uint32_t>(kPciBar0), 0xFFFF8000u);
  EXPECT_EQ(GetConfig<uint8_t>(FindCapability(kPciCapabilityPowerManagement)),
            kPciCapabilityPowerManagement);
  EXPECT_FALSE(device_.attached());
}

// KE-04: every register by every width, misalignment and odd value, before and while the device
// runs. What is written whole and means something may take effect; the function has to survive the
// rest, and come back by a reset.
TEST_F(VirtioPciTest, EveryByteByEveryWidth) {
  for (const bool running : {false, true}) {
    for (const uint64_t value :
         {uint64_t{0}, uint64_t{1}, ~uint64_t{0}, uint64_t{0x8000'7FFF'0001'FFFE}}) {
      Put<uint8_t>(kVirtioStatus, 0);
      if (running) Run();
      for (size_t size = 1; size <= 8; ++size) {
        for (uint32_t at = 0; at + size <= kVirtioBarSize; at += at < 0x40 ? 1 : 61) {
          uint8_t data[8];
          StoreLe(value, absl::MakeSpan(data));
          pci_->Write(at, absl::MakeConstSpan(data, size));
          pci_->Read(at, absl::MakeSpan(data, size));
        }
      }
      loop_.RunReady();
      EXPECT_EQ(Get<uint16_t>(kVirtioQueueCount), 2);
    }
  }
  Put<uint8_t>(kVirtioStatus, 0);
  PutConfig<uint16_t>(FindCapability(kPciCapabilityMsix) + 2, 0);
  Run();

  EXPECT_TRUE(Echoes(0));
}

// Only whole registers are written.
TEST_F(VirtioPciTest, PartialAndWideWritesChangeNothing) {
  std::vector<uint8_t> before(kVirtioCommonSize);
  pci_->Read(0, absl::MakeSpan(before));
  const std::vector<uint8_t> ones(8, 0xFF);
  for (uint32_t at = 0; at < kVirtioCommonSize; ++at) {
    for (const size_t size : {3, 5, 6, 7}) {
      pci_->Write(at, absl::MakeConstSpan(ones).first(size));
    }
    if (at != kVirtioStatus) pci_->Write(at, absl::MakeConstSpan(ones).first(1));
    if (at % 4 != 0) pci_->Write(at, absl::MakeConstSpan(ones).first(4));
    if (at < 0x20) pci_->Write(at, ones);
  }
  std::vector<uint8_t> after(kVirtioCommonSize);
  pci_->Read(0, absl::MakeSpan(after));

  EXPECT_EQ(after, before);
}

TEST_F(VirtioPciTest, AnyPartOfTheCommonConfigurationIsRead) {
  std::vector<uint8_t> whole(kVirtioCommonSize);
  pci_->Read(0, absl::MakeSpan(whole));

  for (size_t size = 1; size <= 8; ++size) {
    for (size_t at = 0; at + size <= kVirtioCommonSize; ++at) {
      std::vector<uint8_t> part(size, 0xFF);
      pci_->Read(at, absl::MakeSpan(part));
      ASSERT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + static_cast<ptrdiff_t>(at)));
    }
  }
}

TEST(VirtioPciCreateTest, TooManyQueues) {
  class Wide final : public QueueDevice {
   public:
    explicit Wide(EventLoop& loop)
        : QueueDevice({.device_id = 1, .queue_sizes = std::vector<uint16_t>(1025, 8)}, loop) {}
    void Handle(uint16_t, ReadableChain) override {}
  };
  ManualLoop loop;
  Wide device(loop);
  RecordingMsiTarget msi;

  EXPECT_EQ(VirtioPci::Create(device, {.name = "wide", .msi = &msi}).status().code(),
            absl::StatusCode::kResourceExhausted);
}

class AccessPlatformTest : public VirtioPciTest {
 protected:
  AccessPlatformTest() : VirtioPciTest(true) {}
};

TEST_F(AccessPlatformTest, IsOfferedAndKeptFromTheDevice) {
  const uint64_t features = kVirtioVersion1 | kVirtioAccessPlatform;

  EXPECT_EQ(OfferedFeatures(), device_.features() | kVirtioRingReset | kVirtioAccessPlatform);
  Run(features);

  EXPECT_EQ(device_.negotiated(), kVirtioVersion1);
  EXPECT_TRUE(Echoes(0));
}

TEST_F(AccessPlatformTest, DriverMayDoWithout) {
  Run();

  EXPECT_TRUE(Echoes(0));
}

// Under ThreadSanitizer: a guest that resets and reconfigures while the loop serves.
TEST(VirtioPciThreadTest, RegistersAndLoopAtOnce) {
  const GuestMemory memory =
      GuestMemory::Create({{GuestAddress{kMemoryStart}, 2 * kQueueMemory}}, {}).value();
  std::unique_ptr<EpollLoop> loop = EpollLoop::Create().value();
  EchoDevice device(*loop);
  RecordingMsiTarget msi;
  RecordingIrqLine line;
  auto pci = VirtioPci::Create(device, {.name = "echo", .memory = memory, .msi = &msi}).value();
  pci->ConnectIntx({.pin = 1, .gsi = 9, .line = &line});
  std::thread runner([&loop] { loop->Run(); });
  const auto put = [&pci](uint64_t at, uint64_t value, size_t size) {
    uint8_t data[8];
    StoreLe(value, absl::MakeSpan(data));
    pci->Write(at, absl::MakeConstSpan(data, size));
  };

  int echoed = 0;
  for (int i = 0; i < 50; ++i) {
    DriverQueue queue(memory, {GuestAddress{kMemoryStart}, kQueueMemory}, 8, kVirtioVersion1);
    put(kVirtioStatus, 0, 1);
    put(kVirtioDriverFeatureSelect, 1, 4);
    put(kVirtioDriverFeature, 1, 4);
    put(kVirtioStatus, kVirtioAcknowledge | kVirtioDriver | kVirtioFeaturesOk, 1);
    put(kVirtioQueueSize, 8, 2);
    put(kVirtioQueueDescriptors, Raw(queue.layout().descriptors), 8);
    put(kVirtioQueueDriver, Raw(queue.layout().driver), 8);
    put(kVirtioQueueDevice, Raw(queue.layout().device), 8);
    put(kVirtioQueueEnable, 1, 2);
    put(kVirtioStatus, kVirtioDriverOk, 1);
    queue.Chain().Readable({1}).Writable(1).Send();
    put(kVirtioNotify, 0, 2);
    put(kVirtioQueueVector, 1, 2);
    uint8_t isr = 0;
    while (i % 2 == 0 && isr == 0) {
      pci->Read(kVirtioIsr, absl::MakeSpan(&isr, 1));
      std::this_thread::yield();
    }
    if (i % 2 == 0 && queue.PollUsed().has_value()) ++echoed;
  }
  pci.reset();
  loop->Stop();
  runner.join();

  EXPECT_EQ(echoed, 25);
}

}  // namespace
}  // namespace touchstone
