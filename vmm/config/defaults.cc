#include "vmm/config/defaults.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "vmm/config/host_limits.h"
#include "vmm/config/net_options.h"

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

// The older options for the socket device (crosvm.md 1.2 rows 17, 141, 142) become the newer one.
// What contradicts that stays, for Validate to refuse.
void ApplyLegacyVsock(RunConfig& config) {
  if (!config.has_cid() || config.has_vsock()) return;
  if (config.has_vhost_vsock_device() && config.has_vhost_vsock_fd()) return;
  VsockConfig& vsock = *config.mutable_vsock();
  vsock.set_cid(config.cid());
  if (config.has_vhost_vsock_device()) vsock.set_device(config.vhost_vsock_device());
  if (config.has_vhost_vsock_fd()) {
    vsock.set_device("/proc/self/fd/" + std::to_string(config.vhost_vsock_fd()));
  }
  config.clear_cid();
  config.clear_vhost_vsock_device();
  config.clear_vhost_vsock_fd();
}

}  // namespace

void ApplyDefaults(RunConfig& config) {
  GatherNets(config);
  ApplyLegacyVsock(config);
  // crosvm.md 1.3: one vCPU for each processor of the host.
  if (config.host_cpu_topology() && !config.cpus().has_num_cores()) {
    config.mutable_cpus()->set_num_cores(OnlineCpus());
  }
  // crosvm.md 1.2 row 111. What contradicts it stays, for Validate to refuse.
  if (config.split_irqchip() && !config.has_irqchip()) {
    config.set_irqchip(IRQCHIP_SPLIT);
    config.clear_split_irqchip();
  }
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
