// The virtio devices of a machine as its guest finds them, on the fake hypervisor: a write is
// offered to the ioeventfds first, as KVM does, and what is left goes to the bus and counts as an
// exit.

#include "vmm/machine/virtio_devices.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/endian.h"
#include "base/event/manual_loop.h"
#include "base/scoped_fd.h"
#include "devices/bus/bus.h"
#include "devices/pci/pci_registers.h"
#include "devices/virtio/balloon/balloon_protocol.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/pci/virtio_pci_registers.h"
#include "devices/virtio/testing/driver_queue.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/fake/fake_hypervisor.h"
#include "vmm/machine/boot/memory_layout.h"
#include "vmm/machine/interrupt_router.h"
#include "vmm/machine/lifecycle.h"
#include "vmm/machine/pci_devices.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::Not;

constexpr uint64_t kQueueMemory = 0x10000;
constexpr uint64_t kMessageAddress = 0xFEE00000;

// Vendor and device, as a dword.
constexpr uint32_t kHostBridge = 0x12378086;
constexpr uint32_t kConsole = 0x10431AF4;
constexpr uint32_t kBlock = 0x10421AF4;
constexpr uint32_t kRng = 0x10441AF4;
constexpr uint32_t kBalloon = 0x10451AF4;
constexpr uint32_t kPvpanic = 0x00111B36;

// What every machine has, around the devices that `config_` asks for.
class VirtioDevicesTest : public testing::Test {
 protected:
  void SetUp() override {
    config_.set_disable_sandbox(true);
    layout_ = MemoryLayout::Plan({.ram_size = 64 * kMiB}).value();
    memory_ = GuestMemory::Create(layout_.RamRegions(), {}).value();
    vm_ = hypervisor_.CreateVm().value();
    ASSERT_TRUE(vm_->CreateIrqChip().ok());
    interrupts_ = std::make_unique<InterruptRouter>(*vm_);
  }

  void Build() {
    virtio_ = VirtioDevices::Create({.config = config_, .host = host_, .memory = memory_}, *vm_,
                                    *interrupts_)
                  .value();
    pci_ = PciDevices::Create(config_, layout_, ports_, mmio_, *interrupts_, virtio_->functions(),
                              lifecycle_)
               .value();
  }

  FakeVm& vm() { return *hypervisor_.vm(); }

  template <typename T>
  void Put(uint64_t address, T value) {
    uint8_t data[sizeof(T)];
    StoreLe(value, absl::MakeSpan(data));
    if (vm().io_events().Write(IoEvent::Space::kMmio, address, sizeof(T), value)) return;
    ++exits_;
    EXPECT_TRUE(mmio_.Write(address, data));
  }
  template <typename T>
  T Get(uint64_t address) {
    uint8_t data[sizeof(T)] = {};
    EXPECT_TRUE(mmio_.Read(address, absl::MakeSpan(data)));
    return static_cast<T>(LoadLe(data));
  }
  uint64_t Config(PciAddress address, uint32_t offset) const {
    return Raw(layout_.ecam.start) + (uint64_t{address.devfn()} << 12) + offset;
  }
  std::vector<uint32_t> Identities() {
    std::vector<uint32_t> identities;
    for (const PciAddress address : pci_->root().functions()) {
      identities.push_back(Get<uint32_t>(Config(address, kPciVendorId)));
    }
    return identities;
  }
  uint32_t IdentityOf(PciAddress address) { return Get<uint32_t>(Config(address, kPciVendorId)); }
  // The virtio functions there are.
  std::vector<PciAddress> Functions() {
    std::vector<PciAddress> virtio;
    for (const PciAddress address : pci_->root().functions()) {
      const bool is_virtio = Get<uint16_t>(Config(address, kPciVendorId)) == kVirtioPciVendor;
      if (is_virtio) virtio.push_back(address);
    }
    return virtio;
  }
  uint64_t Bar(PciAddress address) { return pci_->root().DecodedAt(address, 0).value(); }

  // The configuration space offset of MSI-X.
  uint32_t MsixCapability(PciAddress address) {
    uint32_t at = Get<uint8_t>(Config(address, kPciCapabilities));
    while (Get<uint8_t>(Config(address, at)) != kPciCapabilityMsix) {
      at = Get<uint8_t>(Config(address, at + 1));
    }
    return at;
  }
  // Vector 0 sends kMessageAddress and `data`.
  void EnableMsix(PciAddress address, uint32_t data) {
    const uint64_t entry = Bar(address) + kVirtioMsixTable;
    Put<uint64_t>(entry, kMessageAddress);
    Put<uint64_t>(entry + 8, data);
    Put<uint16_t>(Config(address, MsixCapability(address) + 2), 0x8000);
  }

  // A driver takes the function at `bar`, with all its queues on vector 0, and is ready.
  void Drive(uint64_t bar) {
    Put<uint8_t>(bar + kVirtioStatus, kVirtioAcknowledge);
    Put<uint8_t>(bar + kVirtioStatus, kVirtioAcknowledge | kVirtioDriver);
    Put<uint32_t>(bar + kVirtioDriverFeatureSelect, 1);
    Put<uint32_t>(bar + kVirtioDriverFeature, kVirtioVersion1 >> 32);
    uint8_t status = kVirtioAcknowledge | kVirtioDriver | kVirtioFeaturesOk;
    Put<uint8_t>(bar + kVirtioStatus, status);
    const uint16_t count = Get<uint16_t>(bar + kVirtioQueueCount);
    for (uint16_t i = 0; i < count; ++i) AddQueue(bar, i);
    Put<uint8_t>(bar + kVirtioStatus, status | kVirtioDriverOk);
    EXPECT_EQ(Get<uint8_t>(bar + kVirtioStatus), status | kVirtioDriverOk);
  }
  void AddQueue(uint64_t bar, uint16_t index) {
    Put<uint16_t>(bar + kVirtioQueueSelect, index);
    const uint16_t size = std::min<uint16_t>(Get<uint16_t>(bar + kVirtioQueueSize), 16);
    auto queue = std::make_unique<DriverQueue>(
        memory_, GuestMemory::RegionSpec{GuestAddress{next_memory_}, kQueueMemory}, size,
        kVirtioVersion1);
    next_memory_ += kQueueMemory;
    Put<uint16_t>(bar + kVirtioQueueSize, size);
    Put<uint16_t>(bar + kVirtioQueueVector, 0);
    Put<uint64_t>(bar + kVirtioQueueDescriptors, Raw(queue->layout().descriptors));
    Put<uint64_t>(bar + kVirtioQueueDriver, Raw(queue->layout().driver));
    Put<uint64_t>(bar + kVirtioQueueDevice, Raw(queue->layout().device));
    Put<uint16_t>(bar + kVirtioQueueEnable, 1);
    queues_[{bar, index}] = std::move(queue);
  }
  void Kick(uint64_t bar, uint16_t index) {
    Put<uint16_t>(bar + kVirtioNotify + index * kVirtioNotifyMultiplier, index);
  }

  FakeHypervisor hypervisor_;
  ManualLoop loop_;
  RunConfig config_;
  MachineHost host_ = {&hypervisor_, &loop_, &SystemClock()};
  Lifecycle lifecycle_{[] {}};
  MemoryLayout layout_;
  GuestMemory memory_;
  std::unique_ptr<Vm> vm_;
  Bus ports_{"port", Bus::kLastPort};
  Bus mmio_{"MMIO", Bus::kLastMmioAddress};
  std::unique_ptr<InterruptRouter> interrupts_;
  std::unique_ptr<PciDevices> pci_;
  std::unique_ptr<VirtioDevices> virtio_;
  int exits_ = 0;

  std::map<std::pair<uint64_t, uint16_t>, std::unique_ptr<DriverQueue>> queues_;
  uint64_t next_memory_ = Raw(kHighMemoryStart);
};

TEST_F(VirtioDevicesTest, DevicesComeBeforePvpanic) {
  Build();

  EXPECT_THAT(Identities(), ElementsAre(kHostBridge, kRng, kBalloon, kPvpanic));
}

TEST_F(VirtioDevicesTest, WhatIsNotWantedIsLeftOut) {
  config_.set_no_rng(true);
  config_.set_no_balloon(true);
  Build();

  EXPECT_THAT(Identities(), ElementsAre(kHostBridge, kPvpanic));
}

TEST_F(VirtioDevicesTest, ConsolesAreOneDeviceAndLegacyOnesEachTheirOwn) {
  for (const auto hardware : {SerialConfig::LEGACY_VIRTIO_CONSOLE, SerialConfig::VIRTIO_CONSOLE}) {
    for (const uint32_t num : {1, 2}) {
      SerialConfig& serial = *config_.add_serial();
      serial.set_hardware(hardware);
      serial.set_num(num);
    }
  }
  Build();

  EXPECT_THAT(Identities(),
              ElementsAre(kHostBridge, kConsole, kConsole, kConsole, kRng, kBalloon, kPvpanic));
  EXPECT_EQ(Get<uint16_t>(Bar({.device = 1}) + kVirtioQueueCount), 6);
  EXPECT_EQ(Get<uint16_t>(Bar({.device = 2}) + kVirtioQueueCount), 2);
}

TEST_F(VirtioDevicesTest, DisksAreInTheirOrderAfterTheConsoles) {
  config_.add_serial()->set_hardware(SerialConfig::VIRTIO_CONSOLE);
  std::string path = testing::TempDir() + "/disk_XXXXXX";
  const ScopedFd file(mkostemp(path.data(), O_CLOEXEC));
  ASSERT_TRUE(file.valid() && ftruncate(file.get(), 1 << 20) == 0);
  for (const bool workers : {false, true}) {
    BlockConfig& block = *config_.add_block();
    block.set_path(path);
    block.set_ro(true);
    block.set_multiple_workers(workers);
  }
  config_.mutable_cpus()->set_num_cores(3);
  Build();
  unlink(path.c_str());

  EXPECT_THAT(Identities(),
              ElementsAre(kHostBridge, kConsole, kBlock, kBlock, kRng, kBalloon, kPvpanic));
  EXPECT_EQ(Get<uint16_t>(Bar({.device = 2}) + kVirtioQueueCount), 16);
  for (const PciAddress address : Functions()) Drive(Bar(address));
  virtio_->Stop();
  EXPECT_EQ(vm().io_events().size(), 0u);
}

TEST_F(VirtioDevicesTest, ConsolesAndDisksAreWhereTheirOptionsSay) {
  SerialConfig& serial = *config_.add_serial();
  serial.set_hardware(SerialConfig::VIRTIO_CONSOLE);
  serial.set_pci_address("00:0a.0");
  std::string path = testing::TempDir() + "/disk_XXXXXX";
  const ScopedFd file(mkostemp(path.data(), O_CLOEXEC));
  ASSERT_TRUE(file.valid() && ftruncate(file.get(), 1 << 20) == 0);
  for (const char* address : {"00:09.0", ""}) {
    BlockConfig& block = *config_.add_block();
    block.set_path(path);
    block.set_ro(true);
    if (*address != '\0') block.set_pci_address(address);
  }
  Build();
  unlink(path.c_str());

  EXPECT_EQ(IdentityOf({.device = 0x0a}), kConsole);
  EXPECT_EQ(IdentityOf({.device = 0x09}), kBlock);
  EXPECT_EQ(IdentityOf({.device = 1}), kBlock);
}

TEST_F(VirtioDevicesTest, DisksThatCannotBeOpenedAreErrors) {
  config_.add_block()->set_path("/nonexistent");

  EXPECT_EQ(VirtioDevices::Create({.config = config_, .host = host_, .memory = memory_}, *vm_,
                                  *interrupts_)
                .status()
                .message(),
            "--block path=/nonexistent: open /nonexistent: No such file or directory");
}

TEST_F(VirtioDevicesTest, BalloonBeginsWithWhatInitMemLeaves) {
  config_.set_init_mem(16);
  config_.set_no_rng(true);
  config_.set_strict_balloon(true);
  config_.set_balloon_page_reporting(true);
  Build();
  const uint64_t bar = Bar(Functions().front());

  EXPECT_EQ(Get<uint32_t>(bar + kVirtioConfig), (64 - 16) * kMiB / kBalloonPageSize);
  EXPECT_EQ(Get<uint16_t>(bar + kVirtioQueueCount), 4);
  const uint32_t features = Get<uint32_t>(bar + kVirtioDeviceFeature);
  EXPECT_EQ(features & (kBalloonDeflateOnOom | kBalloonPageReporting | kBalloonResponsiveDevice),
            kBalloonPageReporting | kBalloonResponsiveDevice);
}

TEST_F(VirtioDevicesTest, BalloonGivesItsPagesBack) {
  config_.set_no_rng(true);
  Build();
  const uint64_t bar = Bar(Functions().front());
  Drive(bar);
  constexpr uint32_t kFrame = 0x1000;
  ASSERT_TRUE(memory_.Fill(GuestAddress{kFrame * kBalloonPageSize}, kBalloonPageSize, 0x5A).ok());

  queues_[{bar, 0}]->Chain().Readable({0x00, 0x10, 0, 0}).Send();
  Kick(bar, 0);
  loop_.RunReady();

  EXPECT_TRUE((queues_[{bar, 0}]->PollUsed().has_value()));
  EXPECT_EQ(memory_.ReadObject<uint8_t>(GuestAddress{kFrame * kBalloonPageSize}).value(), 0);
}

TEST_F(VirtioDevicesTest, BalloonIsDrivenOverItsControlChannel) {
  char folder[] = "/tmp/balloon_XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string path = std::string(folder) + "/s";
  ScopedFd listener(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  config_.set_no_rng(true);
  config_.set_balloon_control(path);
  Build();
  const ScopedFd peer(accept(listener.get(), nullptr, nullptr));
  unlink(path.c_str());
  rmdir(folder);
  const uint64_t bar = Bar(Functions().front());
  Drive(bar);
  loop_.RunReady();
  char text[64] = {};
  EXPECT_EQ(recv(peer.get(), text, sizeof(text), MSG_DONTWAIT), 7);

  constexpr char kAdjust[] = R"({"Adjust":{"num_bytes":8192}})";
  ASSERT_GT(send(peer.get(), kAdjust, sizeof(kAdjust) - 1, 0), 0);
  loop_.RunReady();

  EXPECT_STREQ(text, "\"Ready\"");
  EXPECT_EQ(Get<uint32_t>(bar + kVirtioConfig), 2u);
}

TEST_F(VirtioDevicesTest, BalloonControlThatIsNotThereIsAnError) {
  config_.set_balloon_control("/nonexistent/s");

  EXPECT_EQ(VirtioDevices::Create({.config = config_, .host = host_, .memory = memory_}, *vm_,
                                  *interrupts_)
                .status()
                .message(),
            "--balloon-control: connect to /nonexistent/s: No such file or directory");
}

// Events cost the host time, at boot most of all; a kick before the driver is ready means nothing.
TEST_F(VirtioDevicesTest, NoEventsBeforeADriverIsReady) {
  Build();

  EXPECT_EQ(vm().io_events().size(), 0u);
  EXPECT_EQ(vm().irq_chip().irq_fd_count(), 0u);
}

TEST_F(VirtioDevicesTest, NoKickOfARunningQueueExits) {
  Build();
  for (const PciAddress address : Functions()) Drive(Bar(address));
  EXPECT_FALSE(queues_.empty());
  exits_ = 0;

  for (const auto& [place, queue] : queues_) Kick(place.first, place.second);

  EXPECT_EQ(exits_, 0);
  EXPECT_EQ(vm().io_events().size(), queues_.size());
}

TEST_F(VirtioDevicesTest, KicksFollowABarThatMoves) {
  Build();
  const PciAddress address = Functions().front();
  const uint64_t before = Bar(address);
  Drive(before);
  const uint64_t after = before + 16 * kMiB;

  Put<uint32_t>(Config(address, kPciBar0), static_cast<uint32_t>(after));

  EXPECT_EQ(Bar(address), after);
  EXPECT_FALSE(vm().io_events().Has({.address = before + kVirtioNotify}));
  EXPECT_TRUE(vm().io_events().Has({.address = after + kVirtioNotify}));
}

TEST_F(VirtioDevicesTest, RandomBytesComeWithAMessageAndWithoutAnExit) {
  Build();
  const PciAddress address = Functions().front();
  const uint64_t bar = Bar(address);
  EnableMsix(address, 0x41);
  Drive(bar);
  DriverQueue& queue = *queues_[{bar, 0}];
  loop_.RunReady();
  vm().irq_chip().TakeInterrupts();
  exits_ = 0;
  queue.Chain().Writable(64).Send();

  Kick(bar, 0);
  loop_.RunReady();
  vm().PollIrqFds();

  EXPECT_EQ(exits_, 0);
  const std::vector<FakeInterrupt> interrupts = vm().irq_chip().TakeInterrupts();
  ASSERT_EQ(interrupts.size(), 1u);
  EXPECT_EQ(std::get<MsiMessage>(interrupts[0].target), (MsiMessage{kMessageAddress, 0x41}));
  const std::optional<DriverQueue::Used> used = queue.PollUsed();
  ASSERT_TRUE(used.has_value());
  EXPECT_THAT(used->data, Not(testing::Each(0)));
}

TEST_F(VirtioDevicesTest, WithoutMessagesTheLineIsRaisedUntilTheStatusIsRead) {
  Build();
  const PciAddress address = Functions().front();
  const uint64_t bar = Bar(address);
  Drive(bar);
  queues_[{bar, 0}]->Chain().Writable(64).Send();
  Kick(bar, 0);
  loop_.RunReady();
  const uint8_t gsi = Get<uint8_t>(Config(address, kPciInterruptLine));

  EXPECT_TRUE(vm().irq_chip().line(gsi));
  EXPECT_EQ(Get<uint8_t>(bar + kVirtioIsr), kVirtioIsrQueue);
  EXPECT_FALSE(vm().irq_chip().line(gsi));
}

TEST_F(VirtioDevicesTest, StopResetsTheDevicesAndLeavesNoEvents) {
  Build();
  for (const PciAddress address : Functions()) Drive(Bar(address));

  virtio_->Stop();
  virtio_->Stop();

  for (const PciAddress address : Functions()) {
    EXPECT_EQ(Get<uint8_t>(Bar(address) + kVirtioStatus), 0);
  }
  EXPECT_EQ(vm().io_events().size(), 0u);
}

TEST_F(VirtioDevicesTest, DestructionUnderARunningDriverLeavesNothing) {
  Build();
  for (const PciAddress address : Functions()) {
    EnableMsix(address, 1);
    Drive(Bar(address));
  }
  EXPECT_NE(vm().irq_chip().irq_fd_count(), 0u);

  virtio_.reset();

  EXPECT_EQ(vm().io_events().size(), 0u);
  EXPECT_EQ(vm().irq_chip().irq_fd_count(), 0u);
}

}  // namespace
}  // namespace touchstone
