#include "vmm/machine/machine_state.h"

#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/endian.h"
#include "devices/platform/acpi_pm/acpi_pm_registers.h"
#include "devices/virtio/pci/virtio_pci_registers.h"
#include "devices/virtio/pci/virtio_pci_state.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/machine/machine_shape.h"
#include "vmm/machine/restored_machine.h"
#include "vmm/machine/rng_guest.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

constexpr uint16_t kVector = RngGuest::kVector;

template <typename T>
void Write(Bus& bus, uint64_t address, T value) {
  std::vector<uint8_t> bytes(sizeof(T));
  StoreLe(value, absl::MakeSpan(bytes));
  bus.Write(address, absl::MakeSpan(bytes));
}

// Leaves a trace in every register that a guest can reach easily.
void Use(RestoredMachine& machine) {
  for (uint32_t id = 0; id < machine.machine().vcpu_count(); ++id) {
    Vcpu& vcpu = machine.machine().vcpu(id);
    EXPECT_TRUE(
        vcpu.SetRegisters({.rax = 1, .r15 = 15 + id, .rip = 0x1000 + id, .rflags = 2}).ok());
    SpecialRegisters special;
    special.cs = {.base = 0xFFFF0000, .limit = 0xFFFF, .selector = 0xF000, .type = 11, .s = true};
    special.idt = {.base = 0x500, .limit = 0x3FF};
    special.cr3 = 0x2000 + id;
    special.interrupt_bitmap[2] = 1;
    EXPECT_TRUE(vcpu.SetSpecialRegisters(special).ok());
    EXPECT_TRUE(vcpu.SetMsrs({{0x10, 12345}, {0xC0000102, 0xFFFF888000000000 + id}}).ok());
    EXPECT_TRUE(vcpu.SetExtendedState({.xsave = std::vector<uint8_t>(4096, 'x'), .xcr0 = 7}).ok());
    LapicState lapic;
    lapic.fill(static_cast<uint8_t>(0x20 + id));
    EXPECT_TRUE(vcpu.SetLapic(lapic).ok());
    VcpuEvents events = {.nmi_pending = true, .sipi_vector = 9, .run_state = RunState::kHalted};
    events.debug.db[3] = 0x401000;
    EXPECT_TRUE(vcpu.SetEvents(events).ok());
    EXPECT_TRUE(vcpu.SetTscKhz(1'999'999).ok());
  }
  EXPECT_TRUE(machine.vm().SetClock({.nanoseconds = 77'000'000'000}).ok());
  Bus& ports = machine.machine().ports();
  Write<uint8_t>(ports, 0x3F8 + 7, 0x5A);                  // COM1's scratch register
  Write<uint8_t>(ports, 0x70, 0x0B);                       // RTC
  Write<uint16_t>(ports, kAcpiPmPort + 2, 0x0100);         // PM1 enable
  Write<uint32_t>(ports, PciCam::kFirstPort, 0x80000840);  // PCI address
  Write<uint8_t>(ports, 0x43, 0x36);                       // PIT of a split chip
  Write<uint8_t>(ports, 0x40, 0x10);
  Write<uint8_t>(ports, 0x40, 0x20);
  Write<uint8_t>(ports, 0x21, 0xFE);                            // PIC of a split chip
  Write<uint32_t>(machine.machine().mmio(), 0xFEC00000, 0x10);  // IOAPIC
}

MachineState Saved(RestoredMachine& machine) {
  EXPECT_TRUE(machine.machine().SleepDevices().ok());
  absl::StatusOr<MachineState> state = SaveMachine(machine.machine());
  EXPECT_TRUE(state.ok()) << state.status();
  return state.ok() ? *std::move(state) : MachineState();
}

RunConfig RichConfig() {
  RunConfig config = RestoredMachine::SmallConfig();
  config.mutable_cpus()->set_num_cores(2);
  config.set_enable_fw_cfg(true);
  config.add_serial()->set_hardware(SerialConfig::SERIAL);
  config.add_stub_pci_device()->set_address("00:09.0");
  config.mutable_stub_pci_device(0)->set_vendor(0x1234);
  return config;
}

template <typename Message>
bool Same(const Message& one, const Message& other) {
  return one.SerializeAsString() == other.SerializeAsString();
}

// Time goes on in some registers, which no two states have alike.
MachineState WithoutTimes(MachineState state) {
  state.mutable_platform()->mutable_acpi_power()->clear_timer();
  state.mutable_platform()->mutable_rtc()->clear_checked_unix_ns();
  state.mutable_platform()->mutable_rtc()->clear_flags();
  for (PitCounterSaved& counter : *state.mutable_irq_chips()->mutable_split()->mutable_counters()) {
    counter.clear_start();
  }
  return state;
}

class SavedMachineTest : public testing::TestWithParam<IrqChipPlace> {
 protected:
  static RunConfig Config() {
    RunConfig config = RichConfig();
    config.set_irqchip(GetParam());
    return config;
  }
};

TEST_P(SavedMachineTest, WhatWasSavedIsRestoredWhole) {
  RestoredMachine from(Config()), to(Config());
  Use(from);
  RngGuest guest(from.machine());
  guest.Move(0xE0000000);
  guest.Start();
  const MachineState state = Saved(from);

  const absl::Status restored = RestoreMachine(to.machine(), state);

  ASSERT_TRUE(restored.ok()) << restored;
  const MachineState before = WithoutTimes(state), after = WithoutTimes(Saved(to));
  EXPECT_TRUE(Same(after.platform(), before.platform()));
  EXPECT_TRUE(Same(after.irq_chips(), before.irq_chips()));
  EXPECT_TRUE(Same(after.pci(), before.pci()));
  EXPECT_TRUE(Same(after, before));
  EXPECT_TRUE(to.machine().suspended());
  EXPECT_TRUE(to.machine().devices_asleep());
}

INSTANTIATE_TEST_SUITE_P(IrqChips, SavedMachineTest,
                         testing::Values(IRQCHIP_KERNEL, IRQCHIP_SPLIT));

// What was written once is understood for ever: a change of this file is a change of the format.
TEST(MachineStateTest, AStateOfVersionOneIsUnderstood) {
  std::ifstream file("vmm/machine/machine_state_v1.pb", std::ios::binary);
  MachineState state;
  ASSERT_TRUE(state.ParseFromIstream(&file));
  RestoredMachine machine(RichConfig());

  const absl::Status restored = RestoreMachine(machine.machine(), state);

  ASSERT_TRUE(restored.ok()) << restored;
  EXPECT_TRUE(Same(WithoutTimes(Saved(machine)), WithoutTimes(state)));
  EXPECT_EQ(machine.machine().vcpu(1).GetRegisters()->r15, 16u);
  EXPECT_EQ(machine.machine().pci().DecodedAt(RngGuest::kAddress, 0), 0xE0000000u);
}

TEST(MachineStateTest, VcpusGoOnWhereTheyWere) {
  RestoredMachine from(RichConfig()), to(RichConfig());
  Use(from);

  ASSERT_TRUE(RestoreMachine(to.machine(), Saved(from)).ok());

  Vcpu& vcpu = to.machine().vcpu(1);
  EXPECT_EQ(vcpu.GetRegisters()->r15, 16u);
  EXPECT_EQ(vcpu.GetSpecialRegisters()->cs.selector, 0xF000);
  EXPECT_EQ(vcpu.GetEvents()->run_state, RunState::kHalted);
  EXPECT_EQ(vcpu.GetEvents()->debug.db[3], 0x401000u);
  EXPECT_EQ(vcpu.GetLapic()->at(5), 0x21);
  EXPECT_EQ(vcpu.GetMsrs({0x10})->at(0).value, 12345u);
  EXPECT_EQ(*vcpu.GetTscKhz(), 1'999'999u);
  EXPECT_EQ(to.vm().GetClock()->nanoseconds, 77'000'000'000u);
}

TEST(MachineStateTest, ADeviceGoesOnWithItsQueue) {
  RestoredMachine from, to;
  RngGuest before(from.machine());
  before.Move(0xE0000000);
  before.Start();
  before.queue().Chain().Writable(16).Send();
  const MachineState state = Saved(from);
  std::vector<uint8_t> ring(RngGuest::kRing.size);
  ASSERT_TRUE(from.machine().memory().Read(RngGuest::kRing.start, absl::MakeSpan(ring)).ok());
  ASSERT_TRUE(to.machine().memory().Write(RngGuest::kRing.start, ring).ok());

  const absl::Status restored = RestoreMachine(to.machine(), state);
  ASSERT_TRUE(restored.ok()) << restored;
  to.machine().WakeDevices();

  EXPECT_EQ(to.machine().pci().DecodedAt(RngGuest::kAddress, 0), 0xE0000000u);
  EXPECT_EQ(to.vm().io_events().size(), 1u);
  to.TurnUntil([&] {
    uint16_t used = 0;
    const QueueLayout& layout = before.queue().layout();
    used = to.machine().memory().ReadObject<Le16>(layout.device + 2)->get();
    return used == 1;
  });
  EXPECT_GE(to.vm().PollIrqFds(), 1u);
}

TEST(MachineStateTest, KicksAreEventsWhereNoBarMoved) {
  RestoredMachine from, to;
  RngGuest(from.machine()).Start();

  ASSERT_TRUE(RestoreMachine(to.machine(), Saved(from)).ok());

  EXPECT_EQ(to.vm().io_events().size(), 1u);
}

TEST(MachineStateTest, AnInterruptThatWaitsIsStillThere) {
  RunConfig config = RestoredMachine::SmallConfig();
  RestoredMachine from(config), to(config);
  RngGuest before(from.machine());
  before.Start();
  before.Write<uint32_t>(kVirtioMsixTable + 16 * kVector + 12, 1);  // Masked.
  before.queue().Chain().Writable(16).Send();
  before.Write<uint16_t>(kVirtioNotify, 0);
  from.TurnUntil([&] { return before.Read<uint64_t>(kVirtioMsixPending) != 0; });

  ASSERT_TRUE(RestoreMachine(to.machine(), Saved(from)).ok());

  RngGuest after(to.machine());
  EXPECT_EQ(after.Read<uint64_t>(kVirtioMsixPending), uint64_t{1} << kVector);
  EXPECT_EQ(to.vm().PollIrqFds(), 0u);
  after.Write<uint32_t>(kVirtioMsixTable + 16 * kVector + 12, 0);
  EXPECT_EQ(to.vm().PollIrqFds(), 1u);
}

TEST(MachineStateTest, AMachineThatWasSavedGoesOn) {
  RestoredMachine machine;
  RngGuest guest(machine.machine());
  guest.Start();
  Saved(machine);

  machine.machine().WakeDevices();
  guest.queue().Chain().Writable(16).Send();
  guest.Write<uint16_t>(kVirtioNotify, 0);

  machine.TurnUntil([&] { return guest.queue().PollUsed().has_value(); });
}

TEST(MachineStateTest, DevicesMustSleep) {
  RestoredMachine machine;
  RngGuest(machine.machine()).Start();

  const absl::Status status = SaveMachine(machine.machine()).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("rng: its queues do not sleep"));
}

TEST(MachineStateTest, AnotherShapeIsRefused) {
  RunConfig more = RestoredMachine::SmallConfig();
  more.mutable_cpus()->set_num_cores(2);
  RestoredMachine from(more), to;

  const absl::Status status = RestoreMachine(to.machine(), Saved(from));

  EXPECT_EQ(status.message(), "the snapshot has 2 vCPUs, this machine has 1");
}

TEST(MachineStateTest, AGuestThatIsAHypervisorIsRefused) {
  RestoredMachine machine;
  SpecialRegisters special;
  special.cr4 = 1 << 13;
  ASSERT_TRUE(machine.machine().vcpu(0).SetSpecialRegisters(special).ok());
  ASSERT_TRUE(machine.machine().SleepDevices().ok());

  const absl::Status status = SaveMachine(machine.machine()).status();

  EXPECT_THAT(std::string(status.message()), HasSubstr("vCPU 0: the guest is a hypervisor"));
}

// One change to a good state, and what the error says of it.
struct Damage {
  const char* name;
  std::function<void(MachineState&)> change;
  const char* error;
};

VirtioPciState RngOf(const MachineState& state) {
  VirtioPciState rng;
  EXPECT_TRUE(rng.ParseFromString(state.pci().functions(1).device()));
  return rng;
}

std::function<void(MachineState&)> ToRng(std::function<void(VirtioPciState&)> change) {
  return [change = std::move(change)](MachineState& state) {
    VirtioPciState rng = RngOf(state);
    change(rng);
    state.mutable_pci()->mutable_functions(1)->set_device(rng.SerializeAsString());
  };
}

const Damage kDamages[] = {
    {"version", [](MachineState& s) { s.set_version(2); }, "is of version 2, not of version 1"},
    {"no vCPU", [](MachineState& s) { s.clear_vcpus(); }, "0 states for 2 vCPUs"},
    {"segment",
     [](MachineState& s) {
       s.mutable_vcpus(1)->mutable_special_registers()->mutable_cs()->set_selector(0x10000);
     },
     "vCPU 1: a segment's selector 65536 is too large"},
    {"bitmap",
     [](MachineState& s) {
       s.mutable_vcpus(0)->mutable_special_registers()->clear_interrupt_bitmap();
     },
     "vCPU 0: an interrupt bitmap of 0 words"},
    {"debug", [](MachineState& s) { s.mutable_vcpus(0)->mutable_events()->add_db(0); },
     "vCPU 0: 5 debug registers"},
    {"lapic", [](MachineState& s) { s.mutable_vcpus(0)->set_lapic("x"); },
     "vCPU 0: the local APIC: 1 bytes, not 1024"},
    {"msr", [](MachineState& s) { s.mutable_vcpus(0)->mutable_msrs(0)->set_index(0x666); },
     "vCPU 0: MSR 0x666 is not part of a vCPU's state here"},
    {"msrs",
     [](MachineState& s) {
       for (int i = 0; i < 4; ++i) *s.mutable_vcpus(0)->add_msrs() = s.vcpus(0).msrs(0);
     },
     "vCPU 0: an MSR is there twice"},
    {"functions", [](MachineState& s) { s.mutable_pci()->mutable_functions()->RemoveLast(); },
     "4 states for 5 PCI functions"},
    {"config", [](MachineState& s) { s.mutable_pci()->mutable_functions(0)->set_config(""); },
     "host bridge: saved PCI configuration is of another function"},
    {"function's version",
     [](MachineState& s) { s.mutable_pci()->mutable_functions(0)->set_version(0); },
     "host bridge: the state of a PCI function of version 0, not of 1"},
    {"table",
     [](MachineState& s) { s.mutable_pci()->mutable_functions(1)->mutable_msix()->set_table(""); },
     "rng: saved MSI-X state has 0 bytes of table"},
    {"transport",
     [](MachineState& s) { s.mutable_pci()->mutable_functions(1)->set_device("\xFF"); },
     "rng: not the state of a virtio device"},
    {"queues", ToRng([](VirtioPciState& rng) { rng.add_queues(); }),
     "rng: the state has 2 queues, not 1"},
    {"queue size", ToRng([](VirtioPciState& rng) { rng.mutable_queues(0)->set_size(0); }),
     "rng: queue 0: 0 entries; there are 1 to 256"},
    {"queue's place", ToRng([](VirtioPciState& rng) { rng.mutable_queues(0)->set_descriptors(1); }),
     "rng: queue 0: "},
    {"queue's position", ToRng([](VirtioPciState& rng) {
       rng.mutable_queues(0)->mutable_position()->set_available(65536);
     }),
     "rng: queue 0: no queue has that position"},
    {"queue that is not enabled",
     ToRng([](VirtioPciState& rng) { rng.mutable_queues(0)->set_enabled(false); }),
     "rng: queue 0: the device works on it, and it is not enabled"},
    {"selected queue", ToRng([](VirtioPciState& rng) { rng.set_queue_select(65536); }),
     "rng: queue 65536 is selected"},
    {"features", ToRng([](VirtioPciState& rng) { rng.set_driver_features(~uint64_t{0}); }),
     "rng: the state's features 0xffffffffffffffff are not among the device's"},
    {"status", ToRng([](VirtioPciState& rng) { rng.set_status(0x10); }),
     "rng: no device has the status 0x10"},
    {"device", ToRng([](VirtioPciState& rng) { rng.set_device("something"); }), "rng: "},
    {"serial", [](MachineState& s) { s.mutable_platform()->clear_serial(); }, "COM1 has no state"},
    {"serial register",
     [](MachineState& s) { s.mutable_platform()->mutable_serial(0)->set_scratch(256); },
     "COM1: SCR 256 is too large"},
    {"serial FIFO",
     [](MachineState& s) {
       s.mutable_platform()->mutable_serial(0)->set_received(std::string(100, 'x'));
     },
     "COM1: serial: the saved registers hold impossible values"},
    {"power", [](MachineState& s) { s.mutable_platform()->clear_acpi_power(); },
     "ACPI power management: GPE0 status: 0 bytes"},
    {"rtc", [](MachineState& s) { s.mutable_platform()->mutable_rtc()->set_registers("1"); },
     "RTC: registers: 1 bytes"},
    {"fw_cfg",
     [](MachineState& s) { s.mutable_platform()->mutable_fw_cfg()->set_position(1 << 30); },
     "fw_cfg: "},
};

TEST(MachineStateTest, WhatDoesNotFitIsNamed) {
  RestoredMachine from(RichConfig());
  Use(from);
  RngGuest(from.machine()).Start();
  const MachineState state = Saved(from);

  for (const Damage& damage : kDamages) {
    MachineState damaged = state;
    damage.change(damaged);
    RestoredMachine to(RichConfig());
    const absl::Status status = RestoreMachine(to.machine(), damaged);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << damage.name;
    EXPECT_THAT(std::string(status.message()), HasSubstr(damage.error)) << damage.name;
  }
}

TEST(MachineStateTest, AnMsrThatTheHostRefusesMatters) {
  RestoredMachine from, to;
  ASSERT_TRUE(from.machine().vcpu(0).SetMsrs({{0xC0000102, 5}}).ok());
  to.vm().vcpu(0)->RefuseMsr(0xC0000102);

  const absl::Status status = RestoreMachine(to.machine(), Saved(from));

  EXPECT_EQ(status.message(), "vCPU 0: MSR 0xc0000102 cannot be 0x5 on this host");
}

// Damaged at random: an error, or a machine whose devices wake up.
TEST(MachineStateTest, GarbageIsRefusedOrWorks) {
  RestoredMachine from(RichConfig());
  Use(from);
  RngGuest(from.machine()).Start();
  const std::string bytes = Saved(from).SerializeAsString();
  std::mt19937 random(1);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same damage each time
  int worked = 0;

  for (int round = 0; round < 200; ++round) {
    std::string damaged = bytes;
    for (int i = 0; i < 3; ++i) damaged[random() % damaged.size()] = static_cast<char>(random());
    MachineState state;
    if (!state.ParseFromString(damaged)) continue;
    RestoredMachine to(RichConfig());
    if (!RestoreMachine(to.machine(), state).ok()) continue;
    to.machine().WakeDevices();
    ++worked;
  }

  EXPECT_GT(worked, 0);
}

}  // namespace
}  // namespace touchstone
