#include "vmm/config/defaults.h"

#include <algorithm>
#include <cstdint>

namespace touchstone {
namespace {

constexpr uint32_t kComPorts = 4;

bool HasComPort(const RunConfig& config, uint32_t num) {
  return std::any_of(config.serial().begin(), config.serial().end(),
                     [num](const SerialConfig& serial) {
                       return serial.hardware() == SerialConfig::SERIAL && serial.num() == num;
                     });
}

SerialConfig& AddComPort(RunConfig& config, uint32_t num, SerialConfig::Type type) {
  SerialConfig& serial = *config.add_serial();
  serial.set_type(type);
  serial.set_hardware(SerialConfig::SERIAL);
  serial.set_num(num);
  return serial;
}

}  // namespace

void ApplyDefaults(RunConfig& config) {
  const auto& devices = config.serial();
  const bool has_console = std::any_of(devices.begin(), devices.end(),
                                       [](const SerialConfig& serial) { return serial.console(); });
  const bool has_stdin = std::any_of(devices.begin(), devices.end(),
                                     [](const SerialConfig& serial) { return serial.stdin(); });
  if (!has_console && !HasComPort(config, 1)) {
    SerialConfig& com1 = AddComPort(config, 1, SerialConfig::STDOUT);
    com1.set_console(true);
    com1.set_stdin(!has_stdin);
  }
  for (uint32_t num = 1; num <= kComPorts; ++num) {
    if (!HasComPort(config, num)) AddComPort(config, num, SerialConfig::SINK);
  }
}

}  // namespace touchstone
