#include "vmm/machine/build_machine.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/event/epoll_loop.h"
#include "base/scoped_fd.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/pci/virtio_pci_registers.h"
#include "devices/virtio/testing/driver_queue.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/fake/fake_hypervisor.h"
#include "vmm/config/defaults.h"
#include "vmm/machine/acpi/processor_performance.h"
#include "vmm/machine/boot/boot_testing.h"
#include "vmm/machine/cpu/host_cpu.h"
#include "vmm/machine/cpu/hwp_msrs.h"
#include "vmm/machine/firmware_tables.h"

namespace touchstone {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr uint16_t kPm1Control = 0x604;
constexpr uint32_t kSoftOff = 5u << 10 | 1u << 13;

// A machine on the fake hypervisor, with a generated bzImage and its console on a pipe.
class BuildMachineTest : public testing::Test {
 protected:
  BuildMachineTest() : loop_(*EpollLoop::Create()), kernel_(memfd_create("kernel", MFD_CLOEXEC)) {
    const std::vector<uint8_t> image = BuildBzImage({});
    EXPECT_EQ(write(kernel_.get(), image.data(), image.size()), static_cast<ssize_t>(image.size()));
    config_.set_kernel("/proc/self/fd/" + std::to_string(kernel_.get()));
    config_.set_disable_sandbox(true);
    config_.mutable_mem()->set_size(64);
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    reader_.Reset(ends[0]);
    writer_.Reset(ends[1]);
    SerialConfig& com1 = *config_.add_serial();
    com1.set_type(SerialConfig::FILE);
    com1.set_path("/proc/self/fd/" + std::to_string(writer_.get()));
    com1.set_console(true);
  }

  absl::StatusOr<std::unique_ptr<Machine>> Build() {
    ApplyDefaults(config_);
    host_.hypervisor = &hypervisor_;
    host_.loop = loop_.get();
    host_.clock = &SystemClock();
    return BuildMachine(config_, host_, [this] { loop_->Stop(); });
  }

  // Runs to the end that the script brings.
  void Run(Machine& machine) {
    machine.Start();
    loop_->Run();
    machine.Stop();
  }

  std::string Output() {
    char buffer[4096];
    const ssize_t size = read(reader_.get(), buffer, sizeof(buffer));
    return size > 0 ? std::string(buffer, static_cast<size_t>(size)) : "";
  }

  FakeHypervisor hypervisor_;
  std::unique_ptr<EpollLoop> loop_;
  MachineHost host_;
  ScopedFd kernel_;
  ScopedFd reader_, writer_;
  RunConfig config_;
};

TEST_F(BuildMachineTest, ScriptedGuestPrintsAndPowersOff) {
  hypervisor_.OnVcpu([](FakeVcpu& vcpu) {
    vcpu.Script(FakeExit::Out(0x3F8, 1, 'h'));
    vcpu.Script(FakeExit::Out(0x3F8, 1, 'i'));
    vcpu.Script(FakeExit::Out(kPm1Control, 2, kSoftOff));
  });

  auto machine = Build();
  ASSERT_TRUE(machine.ok()) << machine.status();
  Run(**machine);

  EXPECT_EQ((*machine)->lifecycle().end(), EndOfRun::kPowerOff);
  EXPECT_EQ(Output(), "hi");
}

TEST_F(BuildMachineTest, ARomIsReadOnlyBelowFourGiBAndTheFirstProcessorEntersIt) {
  ScopedFd rom(memfd_create("rom", MFD_CLOEXEC));
  const std::vector<uint8_t> image(2 * kGuestPageSize, 0x5A);
  ASSERT_EQ(write(rom.get(), image.data(), image.size()), static_cast<ssize_t>(image.size()));
  config_.clear_kernel();
  config_.set_bios("/proc/self/fd/" + std::to_string(rom.get()));
  config_.mutable_cpus()->set_num_cores(2);
  std::vector<FakeVcpu*> vcpus;
  hypervisor_.OnVcpu([&](FakeVcpu& vcpu) { vcpus.push_back(&vcpu); });

  auto machine = Build();
  ASSERT_TRUE(machine.ok()) << machine.status();

  const MemorySlot slot = hypervisor_.vm()->slots().rbegin()->second;
  EXPECT_EQ(slot.start, GuestAddress{0xFFFFE000});
  EXPECT_EQ(slot.size, image.size());
  EXPECT_TRUE(slot.read_only);
  ASSERT_EQ(vcpus.size(), 2u);
  EXPECT_EQ(vcpus[0]->GetSpecialRegisters()->cs.base + vcpus[0]->GetRegisters()->rip, 0xFFFFFFF0);
  EXPECT_EQ(vcpus[1]->GetRegisters()->rip, GeneralRegisters().rip);
  EXPECT_EQ((*machine)->memory().ReadObject<uint8_t>(GuestAddress{0xFFFFF}).value(), 0x5A);
  EXPECT_FALSE((*machine)->memory().Contains(GuestAddress{0xFFFFE000}, 1));
}

TEST_F(BuildMachineTest, FlashIsBelowTheRomAndMustFitThere) {
  ScopedFd rom(memfd_create("rom", MFD_CLOEXEC)), flash(memfd_create("flash", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(rom.get(), 2 * kGuestPageSize), 0);
  ASSERT_EQ(ftruncate(flash.get(), kGuestPageSize), 0);
  ASSERT_EQ(pwrite(flash.get(), "x", 1, 0), 1);
  config_.clear_kernel();
  config_.set_bios("/proc/self/fd/" + std::to_string(rom.get()));
  config_.mutable_pflash()->set_path("/proc/self/fd/" + std::to_string(flash.get()));
  FakeVcpu* seen = nullptr;
  size_t first = 0;
  hypervisor_.OnVcpu([&](FakeVcpu& vcpu) {
    seen = &vcpu;
    first = vcpu.Script(FakeExit::MmioRead(0xFFFFD000, 1));
    vcpu.Script(FakeExit::Out(kPm1Control, 2, kSoftOff));
  });

  auto machine = Build();
  ASSERT_TRUE(machine.ok()) << machine.status();
  Run(**machine);
  ASSERT_EQ(ftruncate(flash.get(), 16 << 20), 0);
  const absl::Status too_large = Build().status();

  EXPECT_EQ(seen->AnswerValue(first), 'x');
  EXPECT_THAT(too_large.message(), HasSubstr("there is room for 16769024 below 4 GiB"));
}

TEST_F(BuildMachineTest, FirmwareFindsAChipsetThatItKnows) {
  ScopedFd rom(memfd_create("rom", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(rom.get(), kGuestPageSize), 0);
  config_.clear_kernel();
  config_.set_bios("/proc/self/fd/" + std::to_string(rom.get()));
  FakeVcpu* seen = nullptr;
  std::map<uint32_t, size_t> registers;
  size_t signature = 0, keyboard = 0;
  hypervisor_.OnVcpu([&](FakeVcpu& vcpu) {
    seen = &vcpu;
    for (uint32_t address : {0x2Cu, 0x800u, 0xB00u, 0xB40u, 0xB58u, 0xB80u, 0x1000u}) {
      vcpu.Script(FakeExit::Out(0xCF8, 4, 0x80000000 | address));
      registers[address] = vcpu.Script(FakeExit::In(0xCFC, 4));
    }
    signature = vcpu.Script(FakeExit::In(0x511, 1));
    keyboard = vcpu.Script(FakeExit::In(0x64, 1));
    vcpu.Script(FakeExit::Out(kPm1Control, 2, kSoftOff));
  });

  auto machine = Build();
  ASSERT_TRUE(machine.ok()) << machine.status();
  Run(**machine);

  EXPECT_EQ(seen->AnswerValue(registers[0x2C]), 0x11001AF4u);
  EXPECT_EQ(seen->AnswerValue(registers[0x800]), 0x70008086u);
  EXPECT_EQ(seen->AnswerValue(registers[0xB00]), 0x71138086u);
  EXPECT_EQ(seen->AnswerValue(registers[0xB40]), 0x601u);        // the ports of power management
  EXPECT_EQ(seen->AnswerValue(registers[0xB58]), 1u << 25);      // system management is set up
  EXPECT_EQ(seen->AnswerValue(registers[0xB80]), 1u);            // and the ports are on
  EXPECT_EQ(seen->AnswerValue(registers[0x1000]), 0x10441AF4u);  // entropy
  EXPECT_EQ(seen->AnswerValue(signature), 'Q');
  EXPECT_EQ(seen->AnswerValue(keyboard), 0xC0u);  // none
}

TEST_F(BuildMachineTest, DisksWithABootIndexAreInTheBootOrder) {
  ScopedFd image(memfd_create("disk", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(image.get(), kGuestPageSize), 0);
  for (int i = 0; i < 3; ++i) {
    BlockConfig& disk = *config_.add_block();
    disk.set_path("/proc/self/fd/" + std::to_string(image.get()));
    disk.set_lock(false);
  }
  config_.mutable_block(0)->set_bootindex(2);
  config_.mutable_block(1)->set_bootindex(1);
  config_.mutable_block(1)->set_pci_address("00:09.0");
  std::string wanted = "bootorder";
  wanted.resize(56, '\0');
  wanted.append("/pci@i0cf8/scsi@9/disk@0,0\n/pci@i0cf8/scsi@1/disk@0,0\0", 54);
  FakeVcpu* seen = nullptr;
  std::vector<size_t> bytes;
  hypervisor_.OnVcpu([&](FakeVcpu& vcpu) {
    seen = &vcpu;
    const auto read = [&](uint16_t item, size_t skip, size_t size) {
      vcpu.Script(FakeExit::Out(0x510, 2, item));
      for (size_t i = 0; i < skip; ++i) vcpu.Script(FakeExit::In(0x511, 1));
      for (size_t i = 0; i < size; ++i) bytes.push_back(vcpu.Script(FakeExit::In(0x511, 1)));
    };
    read(0x19, 12, 56);  // The name in the directory's first entry.
    read(0x20, 0, 54);
    vcpu.Script(FakeExit::Out(kPm1Control, 2, kSoftOff));
  });

  auto machine = Build();
  ASSERT_TRUE(machine.ok()) << machine.status();
  Run(**machine);

  std::string found;
  for (const size_t byte : bytes) found.push_back(static_cast<char>(*seen->AnswerValue(byte)));
  EXPECT_EQ(found, wanted);
}

TEST_F(BuildMachineTest, ADeviceWhereTheChipsetIsNamesBoth) {
  ScopedFd rom(memfd_create("rom", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(rom.get(), kGuestPageSize), 0);
  config_.clear_kernel();
  config_.set_bios("/proc/self/fd/" + std::to_string(rom.get()));
  StubPciDeviceConfig& stub = *config_.add_stub_pci_device();
  stub.set_address("00:01.0");

  const auto machine = Build();

  EXPECT_THAT(machine.status().message(),
              HasSubstr("00:01.0 for --stub-pci-device 00:01.0 is taken by ISA bridge of --bios"));
}

TEST_F(BuildMachineTest, SplitChipHasItsControllersHere) {
  config_.set_split_irqchip(true);
  size_t mask = 0, version = 0;
  hypervisor_.OnVcpu([&](FakeVcpu& vcpu) {
    vcpu.Script(FakeExit::Out(0x21, 1, 0x5A));
    mask = vcpu.Script(FakeExit::In(0x21, 1));
    vcpu.Script(FakeExit::MmioWrite(0xFEC00000, 4, 1));
    version = vcpu.Script(FakeExit::MmioRead(0xFEC00010, 4));
    // COM1's interrupt: a level there, whose end is told.
    vcpu.Script(FakeExit::MmioWrite(0xFEC00000, 4, 0x18));
    vcpu.Script(FakeExit::MmioWrite(0xFEC00010, 4, 0x8041));
    vcpu.Script(FakeExit::Out(0x3F9, 1, 0x02));
    vcpu.Script(FakeExit::Other(EndOfInterruptExit{0x41}));
    vcpu.Script(FakeExit::Out(kPm1Control, 2, kSoftOff));
  });

  auto machine = Build();
  ASSERT_TRUE(machine.ok()) << machine.status();
  Run(**machine);

  EXPECT_EQ((*machine)->lifecycle().end(), EndOfRun::kPowerOff);
  EXPECT_EQ(hypervisor_.vm()->split_pins(), 24);
  EXPECT_EQ(hypervisor_.vm()->vcpu(0)->AnswerValue(mask), 0x5A);
  EXPECT_EQ(hypervisor_.vm()->vcpu(0)->AnswerValue(version), 0x170011);
  const FakeInterrupt sent = {.gsi = std::nullopt, .target = MsiMessage{0xFEE00000, 0xC041}};
  EXPECT_THAT(hypervisor_.vm()->irq_chip().TakeInterrupts(), testing::ElementsAre(sent, sent));
}

TEST_F(BuildMachineTest, KernelChipIsTheDefault) {
  hypervisor_.OnVcpu([](FakeVcpu& vcpu) { vcpu.Script(FakeExit::Out(kPm1Control, 2, kSoftOff)); });

  auto machine = Build();
  ASSERT_TRUE(machine.ok()) << machine.status();
  Run(**machine);

  EXPECT_TRUE(hypervisor_.vm()->has_irq_chip());
  EXPECT_EQ(hypervisor_.vm()->split_pins(), std::nullopt);
}

struct ResetWay {
  uint16_t port;
  uint8_t value;
};

class ResetTest : public BuildMachineTest, public testing::WithParamInterface<ResetWay> {};

TEST_P(ResetTest, EndsTheRun) {
  hypervisor_.OnVcpu(
      [](FakeVcpu& vcpu) { vcpu.Script(FakeExit::Out(GetParam().port, 1, GetParam().value)); });

  auto machine = Build();
  ASSERT_TRUE(machine.ok()) << machine.status();
  Run(**machine);

  EXPECT_EQ((*machine)->lifecycle().end(), EndOfRun::kReset);
}

INSTANTIATE_TEST_SUITE_P(Ports, ResetTest,
                         testing::Values(ResetWay{0xCF9, 0x06}, ResetWay{0x64, 0xFE}));

TEST_F(BuildMachineTest, APanicReplacesTheResetThatFollows) {
  // Without other devices the root gave pvpanic's BAR the first place.
  config_.set_no_rng(true);
  config_.set_no_balloon(true);
  hypervisor_.OnVcpu([](FakeVcpu& vcpu) {
    vcpu.Script(FakeExit::MmioWrite(0xD0000000, 1, 1));
    vcpu.Script(FakeExit::Out(0xCF9, 1, 0x06));
  });

  auto machine = Build();
  ASSERT_TRUE(machine.ok()) << machine.status();
  Run(**machine);

  EXPECT_EQ((*machine)->lifecycle().end(), EndOfRun::kPanic);
}

TEST_F(BuildMachineTest, TheGuestFindsItsPciFunctions) {
  size_t bridge = 0, rng = 0, balloon = 0, pvpanic = 0;
  FakeVcpu* seen = nullptr;
  hypervisor_.OnVcpu([&](FakeVcpu& vcpu) {
    seen = &vcpu;
    vcpu.Script(FakeExit::Out(0xCF8, 4, 0x80000000));
    bridge = vcpu.Script(FakeExit::In(0xCFC, 4));
    rng = vcpu.Script(FakeExit::MmioRead(0xF4000000 + (1 << 15), 4));
    balloon = vcpu.Script(FakeExit::MmioRead(0xF4000000 + (2 << 15), 4));
    pvpanic = vcpu.Script(FakeExit::MmioRead(0xF4000000 + (3 << 15), 4));
    vcpu.Script(FakeExit::Out(kPm1Control, 2, kSoftOff));
  });

  auto machine = Build();
  ASSERT_TRUE(machine.ok()) << machine.status();
  Run(**machine);

  EXPECT_EQ(seen->AnswerValue(bridge), 0x12378086);
  EXPECT_EQ(seen->AnswerValue(rng), 0x10441AF4);
  EXPECT_EQ(seen->AnswerValue(balloon), 0x10451AF4);
  EXPECT_EQ(seen->AnswerValue(pvpanic), 0x00111B36);
}

// A driver on the vCPU's thread, the device on the loop's, and the end of the run while the device
// is in use.
TEST_F(BuildMachineTest, ADeviceServesTheGuestUntilTheEnd) {
  constexpr uint64_t kBar = 0xD0000000;  // Of the first function.
  constexpr uint64_t kRing = 0x300000;
  FakeVcpu* guest = nullptr;
  hypervisor_.OnVcpu([&](FakeVcpu& vcpu) {
    guest = &vcpu;
    for (const uint8_t status : {1, 3}) {
      vcpu.Script(FakeExit::MmioWrite(kBar + kVirtioStatus, 1, status));
    }
    vcpu.Script(FakeExit::MmioWrite(kBar + kVirtioDriverFeatureSelect, 4, 1));
    vcpu.Script(FakeExit::MmioWrite(kBar + kVirtioDriverFeature, 4, kVirtioVersion1 >> 32));
    vcpu.Script(FakeExit::MmioWrite(kBar + kVirtioStatus, 1, 0xB));
    vcpu.Script(FakeExit::MmioWrite(kBar + kVirtioQueueSize, 2, 8));
  });
  auto machine = Build();
  ASSERT_TRUE(machine.ok()) << machine.status();
  DriverQueue queue((*machine)->memory(), {GuestAddress{kRing}, 0x10000}, 8, kVirtioVersion1);
  const QueueLayout& ring = queue.layout();
  guest->Script(FakeExit::MmioWrite(kBar + kVirtioQueueDescriptors, 8, Raw(ring.descriptors)));
  guest->Script(FakeExit::MmioWrite(kBar + kVirtioQueueDriver, 8, Raw(ring.driver)));
  guest->Script(FakeExit::MmioWrite(kBar + kVirtioQueueDevice, 8, Raw(ring.device)));
  guest->Script(FakeExit::MmioWrite(kBar + kVirtioQueueEnable, 2, 1));
  guest->Script(FakeExit::MmioWrite(kBar + kVirtioStatus, 1, 0xF));
  queue.Chain().Writable(16).Send();
  guest->Script(FakeExit::MmioWrite(kBar + kVirtioNotify, 2, 0));

  (*machine)->Start();
  std::optional<DriverQueue::Used> used;
  for (int turns = 0; turns < 10000 && !used.has_value(); ++turns) {
    loop_->RunOnce(absl::Milliseconds(10));
    used = queue.PollUsed();
  }
  queue.Chain().Writable(16).Send();
  guest->Script(FakeExit::MmioWrite(kBar + kVirtioNotify, 2, 0));
  guest->Script(FakeExit::Out(kPm1Control, 2, kSoftOff));
  loop_->Run();
  (*machine)->Stop();

  ASSERT_TRUE(used.has_value());
  EXPECT_EQ(used->length, 16u);
  EXPECT_EQ(hypervisor_.vm()->io_events().size(), 0u);
}

// Anonymous memory costs the host least; a device that another process serves will need more.
TEST_F(BuildMachineTest, MemoryIsPrivate) {
  auto machine = Build();

  ASSERT_TRUE(machine.ok()) << machine.status();
  for (const GuestMemory::Region& region : (*machine)->memory().regions()) {
    EXPECT_EQ(region.fd, -1);
  }
}

TEST_F(BuildMachineTest, MemoryIsSlotsOnBothSidesOfTheHole) {
  config_.mutable_mem()->set_size(5120);

  auto machine = Build();

  ASSERT_TRUE(machine.ok()) << machine.status();
  const std::map<uint32_t, MemorySlot> slots = hypervisor_.vm()->slots();
  ASSERT_EQ(slots.size(), 2);
  EXPECT_EQ(slots.at(0).start, GuestAddress{0});
  EXPECT_EQ(slots.at(1).start, GuestAddress{uint64_t{4} << 30});
  EXPECT_EQ(slots.at(0).size + slots.at(1).size, uint64_t{5} << 30);
}

TEST_F(BuildMachineTest, EachVcpuHasItsApicIdInCpuid) {
  config_.mutable_cpus()->set_num_cores(4);

  auto machine = Build();

  ASSERT_TRUE(machine.ok()) << machine.status();
  for (uint32_t id = 0; id < 4; ++id) {
    const FakeVcpu* vcpu = hypervisor_.vm()->vcpu(id);
    ASSERT_NE(vcpu, nullptr);
    for (const CpuidEntry& leaf : vcpu->cpuid()) {
      EXPECT_TRUE(leaf.function != 1 || leaf.ebx >> 24 == id);
    }
  }
}

TEST_F(BuildMachineTest, TheTablesStartWhereAGuestLooks) {
  auto machine = Build();

  ASSERT_TRUE(machine.ok()) << machine.status();
  EXPECT_EQ(ReadBytes((*machine)->memory(), GuestAddress{0xE0000}, 8),
            std::vector<uint8_t>({'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '}));
}

TEST_F(BuildMachineTest, WithoutRtcAndI8042TheirPortsAreEmpty) {
  config_.set_no_rtc(true);
  config_.set_no_i8042(true);
  size_t rtc = 0, i8042 = 0;
  FakeVcpu* seen = nullptr;
  hypervisor_.OnVcpu([&](FakeVcpu& vcpu) {
    seen = &vcpu;
    rtc = vcpu.Script(FakeExit::In(0x71, 1));
    i8042 = vcpu.Script(FakeExit::In(0x64, 1));
    vcpu.Script(FakeExit::Out(kPm1Control, 2, kSoftOff));
  });

  auto machine = Build();
  ASSERT_TRUE(machine.ok()) << machine.status();
  Run(**machine);

  EXPECT_EQ(seen->AnswerValue(rtc), 0xFF);
  EXPECT_EQ(seen->AnswerValue(i8042), 0xFF);
}

TEST_F(BuildMachineTest, MoreVcpusThanTheHypervisorHasAreAnError) {
  hypervisor_.set_max_vcpus(2);
  config_.mutable_cpus()->set_num_cores(3);

  EXPECT_THAT(std::string(Build().status().message()), HasSubstr("--cpus 3"));
}

TEST_F(BuildMachineTest, AMissingKernelIsAnErrorThatNamesIt) {
  config_.set_kernel("/no/such/kernel");

  EXPECT_THAT(std::string(Build().status().message()), HasSubstr("/no/such/kernel"));
}

TEST_F(BuildMachineTest, AMissingInitrdIsAnErrorThatNamesIt) {
  config_.set_initrd("/no/such/initrd");

  EXPECT_THAT(std::string(Build().status().message()),
              testing::AllOf(HasSubstr("--initrd"), HasSubstr("/no/such/initrd")));
}

TEST_F(BuildMachineTest, SmbiosIsWhereAGuestLooks) {
  auto machine = Build();

  ASSERT_TRUE(machine.ok()) << machine.status();
  EXPECT_EQ(ReadBytes((*machine)->memory(), GuestAddress{0xF0000}, 5),
            std::vector<uint8_t>({'_', 'S', 'M', '3', '_'}));
}

// The answers of a guest that selects a file and reads a byte of it.
class FwCfgMachineTest : public BuildMachineTest {
 protected:
  std::optional<uint64_t> ReadFirstFile() {
    size_t read = 0;
    FakeVcpu* seen = nullptr;
    hypervisor_.OnVcpu([&](FakeVcpu& vcpu) {
      seen = &vcpu;
      vcpu.Script(FakeExit::Out(0x510, 2, 0x20));
      read = vcpu.Script(FakeExit::In(0x511, 1));
      vcpu.Script(FakeExit::Out(kPm1Control, 2, kSoftOff));
    });
    auto machine = Build();
    EXPECT_TRUE(machine.ok()) << machine.status();
    Run(**machine);
    return seen->AnswerValue(read);
  }
};

TEST_F(FwCfgMachineTest, IsNotThereUnlessAskedFor) { EXPECT_EQ(ReadFirstFile(), 0xFF); }

TEST_F(FwCfgMachineTest, IsThereWithoutFiles) {
  config_.set_enable_fw_cfg(true);

  EXPECT_EQ(ReadFirstFile(), 0);
}

TEST_F(FwCfgMachineTest, HasItsFiles) {
  FwCfgConfig& file = *config_.add_fw_cfg();
  file.set_name("opt/x");
  file.set_string("7");

  EXPECT_EQ(ReadFirstFile(), '7');
}

TEST_F(BuildMachineTest, FilesAreSlotsBehindTheMemory) {
  const ScopedFd store(memfd_create("store", MFD_CLOEXEC));
  config_.mutable_pstore()->set_path("/proc/self/fd/" + std::to_string(store.get()));
  config_.mutable_pstore()->set_size(4096);
  FileBackedMappingConfig& mapping = *config_.add_file_backed_mapping();
  mapping.set_path("/proc/self/fd/" + std::to_string(kernel_.get()));
  mapping.set_addr(48 << 20);
  mapping.set_size(4096);

  auto machine = Build();

  ASSERT_TRUE(machine.ok()) << machine.status();
  const std::map<uint32_t, MemorySlot> slots = hypervisor_.vm()->slots();
  ASSERT_EQ(slots.size(), 4);  // the hole splits the memory
  EXPECT_EQ(slots.at(0).size, 48u << 20);
  EXPECT_EQ(slots.at(1).start, GuestAddress{(48 << 20) + 4096});
  EXPECT_EQ(slots.at(2).start, GuestAddress{uint64_t{4} << 30});
  EXPECT_FALSE(slots.at(2).read_only);
  EXPECT_EQ(slots.at(3).start, GuestAddress{48 << 20});
  EXPECT_TRUE(slots.at(3).read_only);
  const std::vector<uint8_t> line = ReadBytes((*machine)->memory(), GuestAddress{0x20000}, 2048);
  EXPECT_THAT(std::string(line.begin(), line.end()),
              HasSubstr(" ramoops.mem_address=0x100000000 ramoops.mem_size=0x1000"));
}

TEST_F(BuildMachineTest, OneThreadPerCoreWithoutSmt) {
  config_.mutable_cpus()->set_num_cores(2);
  config_.set_no_smt(true);

  auto machine = Build();

  ASSERT_TRUE(machine.ok()) << machine.status();
  for (const CpuidEntry& leaf : hypervisor_.vm()->vcpu(0)->cpuid()) {
    EXPECT_TRUE(leaf.function != 0xB || leaf.index != 0 || leaf.ebx == 1);
  }
}

TEST_F(BuildMachineTest, PciIsWhereItsOptionsSay) {
  config_.set_pcie_ecam("0x80000000,0x1000000");
  config_.set_mmio_address_range(
      "0x81000000-0x81ffffff,0-0xfff,0xfffffffffffffff0-"
      "0xffffffffffffffff");
  config_.set_break_linux_pci_config_io(true);
  StubPciDeviceConfig& stub = *config_.add_stub_pci_device();
  stub.set_address("00:1f.0");
  stub.set_vendor(0x1234);
  stub.set_device(0x5678);
  stub.set_class_(0x088000);
  size_t by_port = 0, bar = 0, identity = 0, class_code = 0;
  FakeVcpu* seen = nullptr;
  hypervisor_.OnVcpu([&](FakeVcpu& vcpu) {
    seen = &vcpu;
    vcpu.Script(FakeExit::Out(0xCF8, 4, 0x80000000));
    by_port = vcpu.Script(FakeExit::In(0xCFC, 4));
    bar = vcpu.Script(FakeExit::MmioRead(0x80000000 + (1 << 15) + 0x10, 4));
    identity = vcpu.Script(FakeExit::MmioRead(0x80000000 + (0x1f << 15), 4));
    class_code = vcpu.Script(FakeExit::MmioRead(0x80000000 + (0x1f << 15) + 8, 4));
    vcpu.Script(FakeExit::Out(kPm1Control, 2, kSoftOff));
  });

  auto machine = Build();
  ASSERT_TRUE(machine.ok()) << machine.status();
  Run(**machine);

  EXPECT_EQ(seen->AnswerValue(by_port), 0xFFFFFFFF);
  EXPECT_EQ(seen->AnswerValue(bar), 0x82000000);
  EXPECT_EQ(seen->AnswerValue(identity), 0x56781234);
  EXPECT_EQ(seen->AnswerValue(class_code), 0x08800000);
}

TEST_F(BuildMachineTest, VirtioFunctionsHaveAPinUnlessToldOtherwise) {
  const auto pin = [this] {
    auto machine = Build();
    EXPECT_TRUE(machine.ok()) << machine.status();
    std::vector<uint8_t> byte(1);
    (*machine)->pci().ReadConfig({.device = 1}, 0x3D, absl::MakeSpan(byte));
    return byte[0];
  };

  EXPECT_EQ(pin(), 1);
  config_.set_disable_virtio_intx(true);
  EXPECT_EQ(pin(), 0);
}

TEST_F(BuildMachineTest, CgroupThatIsNotThereIsAnErrorThatNamesIt) {
  config_.set_vcpu_cgroup_path("/no/such/cgroup");

  EXPECT_THAT(std::string(Build().status().message()),
              testing::AllOf(HasSubstr("--vcpu-cgroup-path"), HasSubstr("/no/such/cgroup")));
}

TEST_F(BuildMachineTest, BusLocksAreTakenNoteOfWhenTheyAreLimited) {
  auto machine = Build();
  ASSERT_TRUE(machine.ok()) << machine.status();
  EXPECT_TRUE(hypervisor_.vm()->enabled_exits().empty());

  config_.set_bus_lock_ratelimit(100);
  machine = Build();
  ASSERT_TRUE(machine.ok()) << machine.status();
  EXPECT_TRUE(hypervisor_.vm()->enabled_exits().contains(OptionalExit::kBusLock));

  hypervisor_.set_optional_exits({});
  EXPECT_EQ(Build().status().message(), "--bus-lock-ratelimit: the fake lacks this exit");
}

TEST_F(BuildMachineTest, MemoryOfAFileIsPartOfTheGuests) {
  ScopedFd file(memfd_create("ram", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(file.get(), 2 * kGuestPageSize), 0);
  FileBackedMappingConfig& mapping = *config_.add_file_backed_mapping();
  mapping.set_path("/proc/self/fd/" + std::to_string(file.get()));
  mapping.set_addr(0x8000000);
  mapping.set_size(2 * kGuestPageSize);
  mapping.set_rw(true);
  mapping.set_ram(true);

  auto machine = Build();
  ASSERT_TRUE(machine.ok()) << machine.status();
  EXPECT_TRUE((*machine)->memory().WriteObject(GuestAddress{0x8001FFF}, 'z').ok());

  char last = 0;
  EXPECT_EQ(pread(file.get(), &last, 1, 2 * kGuestPageSize - 1), 1);
  EXPECT_EQ(last, 'z');
  const auto slots = hypervisor_.vm()->slots();
  ASSERT_EQ(slots.size(), 2u);
  EXPECT_EQ(slots.rbegin()->second.start, GuestAddress{0x8000000});
  EXPECT_FALSE(slots.rbegin()->second.read_only);
}

TEST_F(BuildMachineTest, MeasuredTscFrequencyIsInItsLeaf) {
  config_.set_force_calibrated_tsc_leaf(true);

  auto machine = Build();

  ASSERT_TRUE(machine.ok()) << machine.status();
  const std::vector<CpuidEntry> leaves = hypervisor_.vm()->vcpu(0)->cpuid();
  EXPECT_EQ(std::count_if(leaves.begin(), leaves.end(),
                          [](const CpuidEntry& leaf) {
                            return leaf.function == 0x15 && leaf.eax != 0 && leaf.ebx != 0;
                          }),
            1);
}

TEST_F(BuildMachineTest, BootProcessorHasTheKernelsEntry) {
  config_.mutable_cpus()->set_num_cores(2);
  config_.mutable_cpus()->set_boot_cpu(1);

  auto machine = Build();

  ASSERT_TRUE(machine.ok()) << machine.status();
  EXPECT_EQ(hypervisor_.vm()->boot_cpu(), 1u);
  EXPECT_EQ(hypervisor_.vm()->vcpu(0)->GetRegisters()->rip, 0u);
  EXPECT_NE(hypervisor_.vm()->vcpu(1)->GetRegisters()->rip, 0u);
}

TEST_F(BuildMachineTest, HostTopologyHasTheHostsApicId) {
  config_.set_host_cpu_topology(true);
  config_.mutable_cpus()->set_num_cores(1);

  auto machine = Build();

  ASSERT_TRUE(machine.ok()) << machine.status();
  EXPECT_NE(hypervisor_.vm()->vcpu(ReadHostCpus(1).value()[0].apic_id), nullptr);
}

// A host whose first CPU has hardware P-states: files in place of its MSRs and of what its kernel
// says of it.
class ItmtTest : public BuildMachineTest {
 protected:
  ItmtTest() {
    std::filesystem::create_directories(folder_ + "/0");
    std::filesystem::create_directories(folder_ + "/cpu0/acpi_cppc");
    msrs_.Reset(open((folder_ + "/0/msr").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    PutMsr(kMsrPmEnable, 1);
    PutMsr(kMsrPlatformInfo, 0x1A00);
    PutMsr(kMsrHwpCapabilities, 0x010B182C);
    for (const char* name : {"nominal_perf", "lowest_nonlinear_perf", "lowest_perf",
                             "reference_perf", "lowest_freq", "nominal_freq"}) {
      PutNumber(name, 7);
    }
    host_.msr_folder = folder_;
    host_.cpu_folder = folder_;
    config_.set_host_cpu_topology(true);
    config_.set_enable_hwp(true);
    config_.set_itmt(true);
    config_.mutable_cpus()->set_num_cores(1);
  }
  ~ItmtTest() override { std::filesystem::remove_all(folder_); }

  void PutMsr(uint32_t index, uint64_t value) {
    EXPECT_EQ(pwrite(msrs_.get(), &value, sizeof(value), index), 8);
  }
  void PutNumber(const std::string& name, int value) {
    std::ofstream(folder_ + "/cpu0/acpi_cppc/" + name) << value << "\n";
  }

  const std::string folder_ = testing::TempDir() + "/host";
  ScopedFd msrs_;
};

TEST_F(ItmtTest, TheGuestLearnsWhatItsProcessorCanDo) {
  PutNumber("highest_perf", 44);
  uint64_t capabilities = 0;
  uint8_t fault = 1;
  FakeVcpu* seen = nullptr;
  hypervisor_.OnVcpu([&](FakeVcpu& vcpu) {
    seen = &vcpu;
    vcpu.Script(FakeExit::Other(
        MsrExit{.index = kMsrHwpCapabilities, .value = &capabilities, .fault = &fault}));
    vcpu.Script(FakeExit::Out(kPm1Control, 2, kSoftOff));
  });

  auto machine = Build();
  ASSERT_TRUE(machine.ok()) << machine.status();
  Run(**machine);

  EXPECT_EQ(capabilities, 0x010B182Cu);
  EXPECT_EQ(fault, 0);
  const std::vector<uint32_t> platform_info = {kMsrPlatformInfo};
  EXPECT_EQ(seen->GetMsrs(platform_info).value()[0].value, 0x80001A00u);
  std::vector<uint8_t> tables(kAcpiAreaSize);
  ASSERT_TRUE(
      (*machine)->memory().Read(GuestAddress{kAcpiTablesAddress}, absl::MakeSpan(tables)).ok());
  const std::vector<uint8_t> term = PerformanceControl({44, 7, 7, 7, 7, 7, 7}).bytes();
  EXPECT_NE(std::search(tables.begin(), tables.end(), term.begin(), term.end()), tables.end());
}

TEST_F(ItmtTest, WhatTheHostDoesNotTellIsNamed) {
  EXPECT_THAT(std::string(Build().status().message()),
              AllOf(StartsWith("--itmt: "), HasSubstr("/host/cpu0/acpi_cppc/highest_perf")));
}

}  // namespace
}  // namespace touchstone
