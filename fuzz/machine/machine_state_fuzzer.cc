// A machine is given a state that somebody made: it refuses it, or it works. What works can be
// saved again, and another machine takes that.
//
// Input: a byte that says what follows, then that message. Bits 0 to 2: all of a MachineState but
// its shape, or the part of a good one that is replaced (kParts); bit 3: --irqchip split; bit 4:
// the entropy device's queue runs in the good one.

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "base/log.h"
#include "devices/virtio/pci/virtio_pci_registers.h"
#include "devices/virtio/pci/virtio_pci_state.pb.h"
#include "vmm/machine/machine_shape.h"
#include "vmm/machine/machine_state.h"
#include "vmm/machine/restored_machine.h"
#include "vmm/machine/rng_guest.h"

namespace touchstone {
namespace {

constexpr int kRngFunction = 1;

RunConfig Config(bool split) {
  RunConfig config = RestoredMachine::SmallConfig();
  config.mutable_cpus()->set_num_cores(2);
  config.set_enable_fw_cfg(true);
  config.set_irqchip(split ? IRQCHIP_SPLIT : IRQCHIP_KERNEL);
  return config;
}

MachineState GoodState(bool split, bool running) {
  RestoredMachine machine(Config(split));
  if (running) RngGuest(machine.machine()).Start();
  CHECK(machine.machine().SleepDevices().ok());
  return SaveMachine(machine.machine()).value();
}

// False where the bytes are no such message.
bool ReplacePart(absl::string_view bytes, uint8_t part, MachineState& state) {
  const auto parse = [bytes](google::protobuf::MessageLite& message) {
    return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  };
  switch (part) {
    case 0: {
      const MachineShape shape = state.shape();
      if (!parse(state)) return false;
      *state.mutable_shape() = shape;
      return true;
    }
    case 1:
      return parse(*state.mutable_vcpus(1));
    case 2:
      return parse(*state.mutable_irq_chips());
    case 3:
      return parse(*state.mutable_platform());
    case 4:
      return parse(*state.mutable_pci());
    case 5:
      return parse(*state.mutable_pci()->mutable_functions(kRngFunction));
    case 6:
      state.mutable_pci()->mutable_functions(kRngFunction)->set_device(std::string(bytes));
      return true;
    default: {
      VirtioPciState rng;
      CHECK(rng.ParseFromString(state.pci().functions(kRngFunction).device()));
      rng.set_device(std::string(bytes));
      state.mutable_pci()->mutable_functions(kRngFunction)->set_device(rng.SerializeAsString());
      return true;
    }
  }
}

void Run(absl::string_view input) {
  if (input.empty()) return;
  const auto kind = static_cast<uint8_t>(input[0]);
  const bool split = (kind & 8) != 0, running = (kind & 16) != 0;
  static const MachineState good[] = {GoodState(false, false), GoodState(false, true),
                                      GoodState(true, false), GoodState(true, true)};
  MachineState state = good[(split ? 2 : 0) + (running ? 1 : 0)];
  if (!ReplacePart(input.substr(1), kind % 8, state)) return;
  RestoredMachine machine(Config(split));
  if (!RestoreMachine(machine.machine(), state).ok()) return;
  machine.machine().WakeDevices();
  RngGuest guest(machine.machine());
  if (machine.machine().pci().DecodedAt(RngGuest::kAddress, 0).has_value()) {
    guest.Write<uint16_t>(kVirtioNotify, 0);
    guest.Read<uint8_t>(kVirtioStatus);
  }
  CHECK(machine.machine().SleepDevices().ok());
  const absl::StatusOr<MachineState> again = SaveMachine(machine.machine());
  if (!again.ok()) return;  // A guest that is a hypervisor.
  RestoredMachine other(Config(split));
  CHECK(RestoreMachine(other.machine(), *again).ok());
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool quiet = touchstone::SetLogLevels("off").ok();
  if (!quiet) return 0;
  touchstone::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
