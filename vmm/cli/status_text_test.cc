#include "vmm/cli/status_text.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

MachineStatus Machine() {
  MachineStatus status;
  status.set_pid(42);
  status.set_uptime_us(1'500'000);
  status.set_memory(uint64_t{256} << 20);
  status.add_exit_names("io");
  status.add_exit_names("mmio");
  status.add_exit_names("halt");
  status.add_counter_names("exits");
  MachineStatus::Vcpu& vcpu = *status.add_vcpus();
  vcpu.set_id(0);
  vcpu.set_state(MachineStatus::VCPU_RUNNING);
  for (const uint64_t count : {10, 20, 0}) vcpu.add_exits(count);
  vcpu.add_counters(100);
  MachineStatus::Device& bridge = *status.add_devices();
  bridge.set_address("00:00.0");
  bridge.set_name("host bridge");
  MachineStatus::Device& disk = *status.add_devices();
  disk.set_address("00:01.0");
  disk.set_name("block \"/a\"");
  disk.set_device_id(2);
  disk.set_status(15);
  disk.set_features(uint64_t{1} << 32);
  disk.set_jailed(true);
  MachineStatus::Queue& queue = *disk.add_queues();
  queue.set_size(256);
  queue.set_running(true);
  queue.set_available(2);
  queue.set_used(65535);
  disk.add_queues()->set_size(128);
  return status;
}

TEST(StatusJsonTest, SaysEverything) {
  EXPECT_EQ(StatusJson(Machine()), R"({
  "pid": 42,
  "state": "running",
  "uptime_us": 1500000,
  "memory": 268435456,
  "vcpus": [
    {
      "id": 0,
      "state": "running",
      "exits": {"io": 10, "mmio": 20, "halt": 0},
      "hypervisor": {"exits": 100}
    }
  ],
  "devices": [
    {
      "address": "00:00.0",
      "name": "host bridge"
    },
    {
      "address": "00:01.0",
      "name": "block \"/a\"",
      "virtio_id": 2,
      "status": 15,
      "features": "0x100000000",
      "jailed": true,
      "queues": [{"size": 256, "running": true, "available": 2, "used": 65535}, {"size": 128, "running": false}]
    }
  ]
}
)");
}

TEST(StatusJsonTest, TheBalloonIsToldOfWhenThereIsOne) {
  MachineStatus status = Machine();
  status.set_balloon(4096);
  EXPECT_THAT(StatusJson(status), HasSubstr("\"balloon\": 4096,"));
}

TEST(StatusTableTest, CountsBecomeRates) {
  const MachineStatus earlier = Machine();
  MachineStatus later = Machine();
  later.set_uptime_us(2'000'000);
  later.mutable_vcpus(0)->set_exits(0, 60);
  later.mutable_vcpus(0)->set_counters(0, 1100);

  EXPECT_EQ(StatusTable(earlier, later), R"(pid 42, running, up 2.0 s, 256 MiB of memory

vCPU  state        events a second
   0  running      exits to touchstone: io 100  mmio 0
                   hypervisor: exits 2000

address  driver       device
00:00.0  -            host bridge
00:01.0  works        block "/a" (jailed)
                       queue 0: 256 entries, 3 with the device
                       queue 1: off
)");
}

TEST(StatusTableTest, AMachineThatStartedAnewHasNoRates) {
  MachineStatus earlier = Machine();
  earlier.set_uptime_us(9'000'000);
  earlier.mutable_vcpus(0)->set_exits(0, 1000);

  const std::string table = StatusTable(earlier, Machine());

  EXPECT_THAT(table, HasSubstr("io 0  mmio 0"));
}

TEST(StatusTableTest, StatesHaveNames) {
  MachineStatus status = Machine();
  status.set_state(MachineStatus::SUSPENDED_FULLY);
  status.mutable_vcpus(0)->set_state(MachineStatus::WAITING);
  status.mutable_devices(1)->set_status(64 | 15);
  status.set_balloon(uint64_t{3} << 20);

  const std::string table = StatusTable(status, status);

  EXPECT_THAT(table, HasSubstr("suspended fully"));
  EXPECT_THAT(table, HasSubstr("waiting"));
  EXPECT_THAT(table, HasSubstr("needs reset"));
  EXPECT_THAT(table, HasSubstr("3 MiB of it in the balloon"));
  EXPECT_THAT(table, Not(HasSubstr("halt")));
}

TEST(MachineListTest, LinesStandUnderTheirHeading) {
  EXPECT_EQ(MachineListHeading() + MachineListLine("/run/a.sock", Machine()),
            "PID       STATE            VCPUS     MEMORY          UP  SOCKET\n"
            "42        running              1    256 MiB       1.5 s  /run/a.sock\n");
}

}  // namespace
}  // namespace touchstone
