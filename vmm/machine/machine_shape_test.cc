#include "vmm/machine/machine_shape.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/machine/restored_machine.h"

namespace touchstone {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Difference(const MachineShape& saved, const MachineShape& here) {
  return std::string(CheckShape(saved, here).message());
}

TEST(MachineShapeTest, SaysWhatThereIs) {
  RunConfig config = RestoredMachine::SmallConfig();
  config.mutable_cpus()->set_num_cores(2);
  RestoredMachine machine(config);

  const MachineShape shape = ShapeOf(machine.machine());

  EXPECT_THAT(shape.vcpus(), ElementsAre(0, 1));
  EXPECT_EQ(shape.boot_vcpu(), 0u);
  ASSERT_EQ(shape.memory_size(), 1);
  EXPECT_EQ(shape.memory(0).address(), 0u);
  EXPECT_EQ(shape.memory(0).size(), 16u << 20);
  ASSERT_EQ(shape.functions_size(), 4);
  EXPECT_EQ(shape.functions(0).address(), "00:00.0");
  EXPECT_EQ(shape.functions(0).vendor(), 0x8086u);
  EXPECT_EQ(shape.functions(1).name(), "rng");
  EXPECT_EQ(shape.functions(1).device(), 0x1044u);
  EXPECT_THAT(shape.devices(), Contains("RTC"));
}

TEST(MachineShapeTest, MachinesOfOneConfigurationAreAlike) {
  RestoredMachine one, other;

  EXPECT_TRUE(CheckShape(ShapeOf(one.machine()), ShapeOf(other.machine())).ok());
}

TEST(MachineShapeTest, NamesTheDifference) {
  RestoredMachine machine;
  const MachineShape here = ShapeOf(machine.machine());

  MachineShape vcpus = here;
  vcpus.add_vcpus(7);
  EXPECT_EQ(Difference(vcpus, here), "the snapshot has 2 vCPUs, this machine has 1");

  MachineShape id = here;
  id.set_vcpus(0, 7);
  EXPECT_EQ(Difference(id, here), "vCPU 0: the snapshot has APIC id 7, this machine has APIC id 0");

  MachineShape boot = here;
  boot.set_boot_vcpu(1);
  EXPECT_THAT(Difference(boot, here), HasSubstr("boot processor 1"));

  MachineShape memory = here;
  memory.mutable_memory(0)->set_size(4096);
  EXPECT_EQ(Difference(memory, here),
            "memory: the snapshot has 0x1000 bytes at 0x0, this machine has 0x1000000 bytes at "
            "0x0");
  memory = here;
  memory.add_memory()->set_address(uint64_t{1} << 32);
  EXPECT_THAT(Difference(memory, here), HasSubstr("at 0x100000000, this machine has no more"));
  EXPECT_THAT(Difference(here, memory), HasSubstr("has no more memory"));

  MachineShape rom = here;
  rom.add_mappings()->set_size(4096);
  EXPECT_THAT(Difference(rom, here), HasSubstr("no more mapped files"));

  MachineShape function = here;
  function.mutable_functions(1)->set_device(0x1042);
  function.mutable_functions(1)->set_name("block /disk");
  EXPECT_EQ(Difference(function, here),
            "the snapshot has block /disk (1af4:1042) at 00:01.0, this machine has rng "
            "(1af4:1044) at 00:01.0");
  function.mutable_functions()->RemoveLast();
  function.mutable_functions()->RemoveLast();
  function.mutable_functions()->RemoveLast();
  EXPECT_THAT(Difference(function, here),
              HasSubstr("no more devices, this machine has rng (1af4:1044)"));
  EXPECT_THAT(Difference(here, function), HasSubstr("this machine has no more devices"));

  MachineShape devices = here;
  devices.add_devices("flash");
  EXPECT_THAT(Difference(devices, here), HasSubstr(", flash, this machine has"));
}

TEST(MachineShapeTest, NamesOfFunctionsNeedNotBeTheSame) {
  RestoredMachine machine;
  const MachineShape here = ShapeOf(machine.machine());
  MachineShape saved = here;
  saved.mutable_functions(1)->set_name("another");

  EXPECT_TRUE(CheckShape(saved, here).ok());
}

TEST(MachineShapeTest, AMachineThatWaitsForAStateHasNothingInItsMemory) {
  RestoredMachine machine;
  std::vector<uint8_t> low(1 << 20);

  ASSERT_TRUE(machine.machine().memory().Read(GuestAddress{0}, absl::MakeSpan(low)).ok());

  EXPECT_THAT(low, ::testing::Each(0));
}

}  // namespace
}  // namespace touchstone
