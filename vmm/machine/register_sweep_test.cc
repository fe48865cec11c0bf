// KE-04 over a whole machine: every register that a guest can reach, by every width, misalignment
// and odd value. The machine survives, what is read-only stays, and a driver can still use a device
// afterwards.

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/endian.h"
#include "base/event/epoll_loop.h"
#include "base/scoped_fd.h"
#include "devices/pci/pci_registers.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/pci/virtio_pci_registers.h"
#include "devices/virtio/testing/driver_queue.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/fake/fake_hypervisor.h"
#include "vmm/config/defaults.h"
#include "vmm/machine/boot/boot_testing.h"
#include "vmm/machine/build_machine.h"

namespace touchstone {
namespace {

constexpr uint64_t kEcam = 0xF4000000;
constexpr uint16_t kAcpiPmControl = 0x604;
constexpr uint64_t kValues[] = {0, 1, ~uint64_t{0}, 0x8000'7FFF'0001'FFFE};
// Every byte near the start and the end of a range, a misaligned sample between.
constexpr uint64_t kDense = 0x100;
constexpr uint64_t kStride = 61;

// A machine with every device that needs no privilege. No vCPU runs: the test is the guest.
class RegisterSweepTest : public testing::Test {
 protected:
  RegisterSweepTest()
      : loop_(EpollLoop::Create().value()),
        kernel_(memfd_create("kernel", MFD_CLOEXEC)),
        disk_(memfd_create("disk", MFD_CLOEXEC)) {
    const std::vector<uint8_t> image = BuildBzImage({});
    EXPECT_EQ(write(kernel_.get(), image.data(), image.size()), static_cast<ssize_t>(image.size()));
    EXPECT_EQ(ftruncate(disk_.get(), 1 << 20), 0);
    EXPECT_NE(mkdtemp(folder_), nullptr);
    RunConfig config;
    config.set_kernel("/proc/self/fd/" + std::to_string(kernel_.get()));
    config.set_disable_sandbox(true);
    config.mutable_mem()->set_size(64);
    for (const auto hardware :
         {SerialConfig::SERIAL, SerialConfig::DEBUGCON, SerialConfig::VIRTIO_CONSOLE,
          SerialConfig::LEGACY_VIRTIO_CONSOLE}) {
      SerialConfig& serial = *config.add_serial();
      serial.set_type(SerialConfig::SINK);
      serial.set_hardware(hardware);
    }
    config.add_block()->set_path("/proc/self/fd/" + std::to_string(disk_.get()));
    config.mutable_vsock()->set_cid(3);
    config.mutable_vsock()->set_socket(std::string(folder_) + "/vsock");
    // The balloon is there by default. Nobody reads what the network devices send.
    for (const bool packed : {false, true}) {
      int ends[2];
      EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
      sockets_.emplace_back(ends[0]);
      sockets_.emplace_back(ends[1]);
      NetConfig& net = *config.add_net();
      net.set_socket_fd(ends[0]);
      net.set_packed_queue(packed);
    }
    ApplyDefaults(config);
    machine_ = BuildMachine(config, {&hypervisor_, loop_.get(), &SystemClock()}, [] {}).value();
  }

  ~RegisterSweepTest() override {
    machine_.reset();
    std::filesystem::remove_all(folder_);
  }

  Bus& mmio() { return machine_->mmio(); }

  // Writes each value at each address of [first, last], by each width up to `widest`, and reads.
  void Sweep(Bus& bus, uint64_t first, uint64_t last, size_t widest) {
    for (const uint64_t value : kValues) {
      uint8_t bytes[8];
      StoreLe(value, absl::MakeSpan(bytes));
      for (uint64_t at = first;;) {
        for (size_t width = 1; width <= widest; ++width) {
          uint8_t data[8];
          bus.Write(at, absl::MakeConstSpan(bytes, width));
          bus.Read(at, absl::MakeSpan(data, width));
        }
        if (at == last) break;
        const bool dense = at - first < kDense || last - at < kDense;
        at = dense ? at + 1 : std::min(at + kStride, last - kDense + 1);
      }
      loop_->RunOnce(absl::ZeroDuration());
    }
  }

  uint64_t Config(PciAddress address, uint32_t offset) const {
    return kEcam + (uint64_t{address.devfn()} << 12) + offset;
  }
  template <typename T>
  T Get(uint64_t address) {
    uint8_t data[sizeof(T)] = {};
    mmio().Read(address, absl::MakeSpan(data));
    return static_cast<T>(LoadLe(data));
  }
  template <typename T>
  void Put(uint64_t address, T value) {
    uint8_t data[sizeof(T)];
    StoreLe(value, absl::MakeSpan(data));
    mmio().Write(address, data);
  }
  // What no guest may change: identity, class, header type, subsystem, and the list of
  // capabilities.
  std::vector<uint32_t> ReadOnlyRegisters(PciAddress address) {
    std::vector<uint32_t> registers;
    for (const uint32_t at : {0x00, 0x08, 0x2C, 0x34}) {
      registers.push_back(Get<uint32_t>(Config(address, at)));
    }
    registers.push_back(Get<uint8_t>(Config(address, kPciHeaderType)));
    registers.push_back(Get<uint8_t>(Config(address, kPciInterruptPin)));
    uint32_t at = Get<uint8_t>(Config(address, kPciCapabilities));
    for (int limit = 0; at != 0 && limit < 48; ++limit) {
      registers.push_back(Get<uint16_t>(Config(address, at)));
      at = Get<uint8_t>(Config(address, at + 1));
    }
    return registers;
  }
  std::vector<PciAddress> Functions() { return machine_->pci().functions(); }
  std::optional<PciAddress> Find(uint32_t identity) {
    for (const PciAddress address : Functions()) {
      if (Get<uint32_t>(Config(address, 0)) == identity) return address;
    }
    return std::nullopt;
  }

  FakeHypervisor hypervisor_;
  std::unique_ptr<EpollLoop> loop_;
  ScopedFd kernel_;
  ScopedFd disk_;
  std::vector<ScopedFd> sockets_;
  char folder_[32] = "/tmp/register_sweep.XXXXXX";
  std::unique_ptr<Machine> machine_;
};

TEST_F(RegisterSweepTest, EveryDeviceIsThere) {
  for (const uint32_t device : {1, 2, 3, 4, 5, 19}) {  // Net to balloon, and socket.
    EXPECT_TRUE(Find(0x10401AF4 + (device << 16)).has_value()) << device;
  }
}

TEST_F(RegisterSweepTest, EveryPort) {
  // Quadwords do not exist on the port bus; they straddle registers all the same.
  Sweep(machine_->ports(), 0, Bus::kLastPort, 8);
  for (uint64_t port = 0; port <= Bus::kLastPort; ++port) {
    for (const size_t width : {1, 2, 4}) {
      uint8_t data[4] = {0xFF, 0xFF, 0xFF, 0xFF};
      // Soft-off ends the run of a guest, and a reset does: neither ends the test.
      machine_->ports().Write(port, absl::MakeConstSpan(data, width));
      machine_->ports().Read(port, absl::MakeSpan(data, width));
    }
  }

  EXPECT_TRUE(machine_->lifecycle().end().has_value());
  uint8_t data[2] = {0xFF, 0xFF};
  EXPECT_TRUE(machine_->ports().Read(kAcpiPmControl, absl::MakeSpan(data)));
}

// KE-07: accesses that straddle the end of a range, and of the address space.
TEST_F(RegisterSweepTest, EveryMemoryRange) {
  const std::vector<Bus::Mapping> mappings = mmio().Mappings();
  // ECAM, and a BAR of each function but the bridge.
  EXPECT_EQ(mappings.size(), Functions().size());
  for (const Bus::Mapping& mapping : mappings) {
    if (mapping.range.start == kEcam) continue;
    SCOPED_TRACE(mapping.name);
    Sweep(mmio(), mapping.range.start - 8, mapping.range.start + mapping.range.size + 8, 8);
  }
  Sweep(mmio(), Bus::kLastMmioAddress - 16, Bus::kLastMmioAddress, 8);

  EXPECT_EQ(mmio().Mappings().size(), mappings.size());
}

// KE-09, KE-11: no write to configuration space changes what is read-only, or maps a BAR over
// something else.
TEST_F(RegisterSweepTest, EveryConfigurationRegister) {
  for (const PciAddress address : Functions()) {
    SCOPED_TRACE(address.ToString());
    const std::vector<uint32_t> before = ReadOnlyRegisters(address);
    Sweep(mmio(), Config(address, 0), Config(address, 0xFFF), 8);
    EXPECT_EQ(ReadOnlyRegisters(address), before);
  }

  uint64_t end = 0;
  for (const Bus::Mapping& mapping : mmio().Mappings()) {
    EXPECT_GE(mapping.range.start, std::max<uint64_t>(end, 0xD0000000)) << mapping.name;
    end = mapping.range.start + mapping.range.size;
  }
}

TEST_F(RegisterSweepTest, ADeviceWorksAfterAllOfIt) {
  constexpr uint64_t kRing = 0x300000;
  const PciAddress rng = Find(0x10441AF4).value();
  const uint64_t bar = machine_->pci().DecodedAt(rng, 0).value();
  Sweep(mmio(), bar, bar + kVirtioBarSize - 1, 8);
  Sweep(mmio(), Config(rng, 0), Config(rng, 0xFFF), 8);

  // As a driver that knows nothing of what was before.
  Put<uint32_t>(Config(rng, kPciBar0), static_cast<uint32_t>(bar));
  Put<uint16_t>(Config(rng, kPciCommand), kPciCommandMemory | kPciCommandBusMaster);
  ASSERT_EQ(machine_->pci().DecodedAt(rng, 0), bar);
  DriverQueue queue(machine_->memory(), {GuestAddress{kRing}, 0x10000}, 8, kVirtioVersion1);
  for (const uint8_t status : {0, 1, 3}) Put<uint8_t>(bar + kVirtioStatus, status);
  Put<uint32_t>(bar + kVirtioDriverFeatureSelect, 1);
  Put<uint32_t>(bar + kVirtioDriverFeature, kVirtioVersion1 >> 32);
  Put<uint8_t>(bar + kVirtioStatus, 0xB);
  Put<uint16_t>(bar + kVirtioQueueSelect, 0);
  Put<uint16_t>(bar + kVirtioQueueSize, 8);
  Put<uint64_t>(bar + kVirtioQueueDescriptors, Raw(queue.layout().descriptors));
  Put<uint64_t>(bar + kVirtioQueueDriver, Raw(queue.layout().driver));
  Put<uint64_t>(bar + kVirtioQueueDevice, Raw(queue.layout().device));
  Put<uint16_t>(bar + kVirtioQueueEnable, 1);
  Put<uint8_t>(bar + kVirtioStatus, 0xF);
  queue.Chain().Writable(32).Send();
  Put<uint16_t>(bar + kVirtioNotify, 0);
  for (int turns = 0; turns < 100 && queue.in_flight() != 0; ++turns) {
    loop_->RunOnce(absl::Milliseconds(10));
    queue.PollUsed();
  }

  EXPECT_EQ(queue.in_flight(), 0u);
}

}  // namespace
}  // namespace touchstone
