// The state of devices in jails: the same as that of devices without.

#include <fstream>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/jail/spawn_server.h"
#include "vmm/machine/device_host.h"
#include "vmm/machine/machine_state.h"
#include "vmm/machine/restored_machine.h"
#include "vmm/machine/rng_guest.h"

namespace touchstone {
namespace {

RunConfig Config(bool jailed) {
  RunConfig config = RestoredMachine::SmallConfig();
  config.set_disable_sandbox(!jailed);
  SerialConfig& console = *config.add_serial();
  console.set_hardware(SerialConfig::VIRTIO_CONSOLE);
  console.set_type(SerialConfig::SINK);
  BlockConfig& disk = *config.add_block();
  disk.set_path(testing::TempDir() + "disk");
  disk.set_ro(true);  // Both machines may have it.
  return config;
}

// By where the devices are that are saved.
class JailedStateTest : public testing::TestWithParam<bool> {
 protected:
  const std::unique_ptr<SpawnServer> jails_ =
      *SpawnServer::Start(DeviceHost::Program({.executable = "vmm/machine/jailed_device_main"}));
};

TEST_P(JailedStateTest, IsTheSameWithoutAJail) {
  const bool jailed = GetParam();
  std::ofstream(testing::TempDir() + "disk") << std::string(1 << 20, 'x');
  RestoredMachine from(Config(jailed), jails_.get()), to(Config(!jailed), jails_.get());
  RngGuest guest(from.machine(), {.device = 3});
  guest.Start();
  guest.queue().Chain().Writable(16).Send();
  guest.Write<uint16_t>(kVirtioNotify, 0);
  from.TurnUntil([&] { return guest.queue().PollUsed().has_value(); });
  ASSERT_TRUE(from.machine().SleepDevices().ok());
  const absl::StatusOr<MachineState> state = SaveMachine(from.machine());
  ASSERT_TRUE(state.ok()) << state.status();
  guest.queue().Chain().Writable(16).Send();  // In the memory that is saved.
  std::vector<uint8_t> ring(RngGuest::kRing.size);
  ASSERT_TRUE(from.machine().memory().Read(RngGuest::kRing.start, absl::MakeSpan(ring)).ok());
  ASSERT_TRUE(to.machine().memory().Write(RngGuest::kRing.start, ring).ok());

  const absl::Status restored = RestoreMachine(to.machine(), *state);
  ASSERT_TRUE(restored.ok()) << restored;

  const absl::StatusOr<MachineState> again = SaveMachine(to.machine());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->pci().SerializeAsString() == state->pci().SerializeAsString());
  to.machine().WakeDevices();
  to.TurnUntil([&] {
    const GuestAddress used = guest.queue().layout().device + 2;
    return to.machine().memory().ReadObject<Le16>(used)->get() == 2;
  });
}

INSTANTIATE_TEST_SUITE_P(Places, JailedStateTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "FromJail" : "IntoJail"; });

}  // namespace
}  // namespace touchstone
