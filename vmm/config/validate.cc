#include "vmm/config/validate.h"

#include <algorithm>
#include <bit>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "devices/pci/pci_address.h"
#include "devices/virtio/block/block_config.h"
#include "devices/virtio/net/net_plan.h"
#include "vmm/config/config_schema.h"
#include "vmm/config/conflict_checks.h"
#include "vmm/config/defaults.h"
#include "vmm/config/kernel_command_line.h"
#include "vmm/config/machine_checks.h"
#include "vmm/config/net_options.h"
#include "vmm/config/schema.h"
#include "vmm/config/schema_check.h"

namespace touchstone {
namespace {

using Errors = std::vector<std::string>;

// KVM takes fewer than 2^31 pages in one memory slot (KVM_MEM_MAX_NR_PAGES).
constexpr int kMaxSlotBits = 31 + 12;

void CheckKernel(const RunConfig& config, Errors& errors) {
  if (config.has_bios()) {
    if (config.has_kernel()) {
      errors.push_back(absl::StrCat("--bios: KERNEL '", config.kernel(),
                                    "' is given too, one of the two can be run"));
    }
    if (config.has_initrd()) errors.push_back("--initrd is for a KERNEL, and --bios is given");
  } else if (config.kernel().empty()) {
    errors.push_back("no KERNEL is given: there is nothing to run");
  }
}

void CheckMemory(const RunConfig& config, const HostLimits& host, Errors& errors) {
  const uint64_t size = config.mem().size();
  // Memory above the hole for devices is moved up by at most 4 GiB.
  const int bits = std::clamp(host.physical_address_bits, 33, kMaxSlotBits);
  const uint64_t max = (uint64_t{1} << (bits - 20)) - 4096;
  if (size < kMinMemoryMib) {
    errors.push_back(absl::StrCat("--mem: size=", size,
                                  " MiB is too little: a guest needs at least ", kMinMemoryMib,
                                  " MiB"));
  } else if (size > max) {
    errors.push_back(absl::StrCat(
        "--mem: size=", size, " MiB is more than ",
        bits == host.physical_address_bits ? "this host can address" : "KVM takes in one piece",
        ": at most ", max, " MiB are accepted"));
  }
}

// Linux takes the pool out of its memory below 4 GiB.
void CheckSwiotlb(const RunConfig& config, Errors& errors) {
  if (!config.has_swiotlb() || config.swiotlb() < config.mem().size()) return;
  errors.push_back(absl::StrCat("--swiotlb: ", config.swiotlb(), " MiB is not less than --mem, ",
                                config.mem().size(), " MiB, which it is taken from"));
}

void CheckCpus(const RunConfig& config, Errors& errors) {
  const uint32_t cores = config.cpus().num_cores();
  if (cores >= 1 && cores <= kMaxVcpus) return;
  errors.push_back(
      absl::StrCat("--cpus: num-cores=", cores, " is not a number of vCPUs from 1 to ", kMaxVcpus));
}

std::string NameOfDevice(const SerialConfig& serial) {
  return absl::StrCat(
      "hardware=",
      NameOf(EnumSchemaOf<SerialConfig::Hardware>()->FindValueByNumber(serial.hardware())),
      ",num=", serial.num());
}

// The rules of one --serial alone.
void CheckSerialDevice(const SerialConfig& serial, Errors& errors) {
  const std::string device = absl::StrCat("--serial: ", NameOfDevice(serial));
  const bool is_serial = serial.hardware() == SerialConfig::SERIAL;
  const bool needs_path = serial.type() == SerialConfig::FILE ||
                          serial.type() == SerialConfig::UNIX ||
                          serial.type() == SerialConfig::UNIX_STREAM;
  const std::string type =
      NameOf(EnumSchemaOf<SerialConfig::Type>()->FindValueByNumber(serial.type()));
  if (is_serial && serial.num() > kComPorts) {
    errors.push_back(
        absl::StrCat(device, ": there are ", kComPorts, " serial ports, num is 1 to ", kComPorts));
  }
  if (serial.earlycon() && !is_serial) {
    errors.push_back(absl::StrCat(device, ": earlycon works with hardware=serial only"));
  }
  if ((serial.stdin() ? 1 : 0) + (serial.has_input() ? 1 : 0) +
          (serial.input_unix_stream() ? 1 : 0) >
      1) {
    errors.push_back(
        absl::StrCat(device, ": stdin, input= and input-unix-stream are inputs, one is accepted"));
  }
  if (serial.input_unix_stream() && serial.type() != SerialConfig::UNIX_STREAM) {
    errors.push_back(absl::StrCat(device, ": input-unix-stream needs type=unix-stream"));
  }
  if (needs_path && serial.path().empty()) {
    errors.push_back(absl::StrCat(device, ": type=", type, " needs path="));
  }
  if (!needs_path && serial.has_path()) {
    errors.push_back(absl::StrCat(device, ": path= has no meaning with type=", type));
  }
  if (serial.has_pci_address()) {
    const bool virtio = serial.hardware() == SerialConfig::VIRTIO_CONSOLE ||
                        serial.hardware() == SerialConfig::LEGACY_VIRTIO_CONSOLE;
    const absl::Status address = PciAddress::Parse(serial.pci_address()).status();
    if (!virtio) {
      errors.push_back(absl::StrCat(device, ": pci-address= is for virtio consoles only"));
    } else if (!address.ok()) {
      errors.push_back(absl::StrCat(device, ": pci-address=: ", address.message()));
    }
  }
  if (serial.has_debugcon_port() && serial.hardware() != SerialConfig::DEBUGCON) {
    errors.push_back(absl::StrCat(device, ": debugcon-port= needs hardware=debugcon"));
  }
}

void CheckSerialDevices(const RunConfig& config, Errors& errors) {
  std::set<std::pair<int, uint32_t>> seen;
  std::set<uint32_t> debug_ports;
  int stdins = 0;
  int earlycons = 0;
  for (const SerialConfig& serial : config.serial()) {
    CheckSerialDevice(serial, errors);
    if (!seen.insert({serial.hardware(), serial.num()}).second) {
      errors.push_back(absl::StrCat("--serial: ", NameOfDevice(serial), " is given twice"));
    } else if (serial.hardware() == SerialConfig::DEBUGCON &&
               !debug_ports.insert(serial.debugcon_port()).second) {
      errors.push_back(absl::StrCat("--serial: ", NameOfDevice(serial),
                                    ": another device is at debugcon-port=0x",
                                    absl::Hex(serial.debugcon_port())));
    }
    stdins += serial.stdin() ? 1 : 0;
    earlycons += serial.earlycon() ? 1 : 0;
  }
  if (stdins > 1) errors.push_back("--serial: stdin is given to more than one device");
  if (earlycons > 1) errors.push_back("--serial: earlycon is given to more than one device");
}

void CheckBlocks(const RunConfig& config, Errors& errors) {
  std::set<uint32_t> boot_indices;
  for (const BlockConfig& block : config.block()) {
    if (block.has_bootindex() && !boot_indices.insert(block.bootindex()).second) {
      errors.push_back(absl::StrCat("--block path=", block.path(), ": bootindex=",
                                    block.bootindex(), " is another disk's already"));
    }
    if (const absl::Status status = CheckBlockConfig(block); !status.ok()) {
      errors.push_back(std::string(status.message()));
    }
    if (!block.has_pci_address()) continue;
    const absl::Status address = PciAddress::Parse(block.pci_address()).status();
    if (address.ok()) continue;
    errors.push_back(
        absl::StrCat("--block path=", block.path(), ": pci-address=: ", address.message()));
  }
}

// What the entries of --net are called once the older options have joined them (net_options.h).
std::vector<std::string> NetNames(const RunConfig& config) {
  std::vector<std::string> names(static_cast<size_t>(config.net_size()), "--net");
  names.insert(names.end(), static_cast<size_t>(config.tap_name_size()), "--tap-name");
  names.insert(names.end(), static_cast<size_t>(config.tap_fd_size()), "--tap-fd");
  names.push_back("--host-ip, --netmask and --mac");
  return names;
}

void CheckNets(RunConfig config, Errors& errors) {
  const bool any = config.has_host_ip() || config.has_netmask() || config.has_mac_address();
  for (const auto& [given, option] :
       {std::pair(config.has_host_ip(), "--host-ip"), std::pair(config.has_netmask(), "--netmask"),
        std::pair(config.has_mac_address(), "--mac")}) {
    if (!any || given) continue;
    errors.push_back(
        absl::StrCat(option, " is missing: --host-ip, --netmask and --mac belong together"));
    return;
  }
  if (!any && config.tap_name_size() == 0 && config.tap_fd_size() == 0) {
    for (const auto& [given, option, key] :
         {std::tuple(config.has_net_vq_pairs(), "--net-vq-pairs", "vq-pairs="),
          std::tuple(config.vhost_net(), "--vhost-net", "vhost-net")}) {
      if (!given) continue;
      errors.push_back(absl::StrCat(option,
                                    " is for --tap-name, --tap-fd and --host-ip, of which none is "
                                    "given; for --net it is the key ",
                                    key));
    }
  }
  if (config.has_vhost_net_device() && !config.vhost_net()) {
    errors.push_back(
        "--vhost-net-device is for --vhost-net, which is not given; for --net it is the key "
        "vhost-net=[device=PATH]");
  }
  const std::vector<std::string> names = NetNames(config);
  GatherNets(config);
  for (int i = 0; i < config.net_size(); ++i) {
    const std::string& name = names[static_cast<size_t>(i)];
    absl::Status status = PlanNet(config.net(i)).status();
    if (!status.ok()) errors.push_back(absl::StrCat(name, ": ", status.message()));
    if (!config.net(i).has_pci_address()) continue;
    status = PciAddress::Parse(config.net(i).pci_address()).status();
    if (!status.ok()) errors.push_back(absl::StrCat(name, ": pci-address=: ", status.message()));
  }
}

void CheckVhostUser(const RunConfig& config, Errors& errors) {
  for (const VhostUserConfig& device : config.vhost_user()) {
    if (!device.has_pci_address()) continue;
    const absl::Status status = PciAddress::Parse(device.pci_address()).status();
    if (!status.ok()) {
      errors.push_back(absl::StrCat("--vhost-user: pci-address=: ", status.message()));
    }
  }
}

// crosvm.md 1.3.
void CheckBalloon(const RunConfig& config, Errors& errors) {
  const auto needs_balloon = [&](bool given, const char* option) {
    if (given && config.no_balloon()) {
      errors.push_back(absl::StrCat(option, " needs the balloon that --no-balloon leaves out"));
    }
  };
  needs_balloon(config.has_balloon_control(), "--balloon-control");
  needs_balloon(config.balloon_page_reporting(), "--balloon-page-reporting");
  needs_balloon(config.has_init_mem(), "--init-mem");
  if (config.has_init_mem() && config.init_mem() > config.mem().size()) {
    errors.push_back(absl::StrCat("--init-mem: ", config.init_mem(),
                                  " MiB is more than --mem: at most ", config.mem().size(),
                                  " MiB are accepted"));
  }
}

void CheckVsock(const RunConfig& config, Errors& errors) {
  if (config.has_cid() && config.has_vsock()) {
    errors.push_back("--cid: --vsock is given too; its cid= says the same");
  }
  if (config.has_vhost_vsock_device() && config.has_vhost_vsock_fd()) {
    errors.push_back("--vhost-vsock-device: --vhost-vsock-fd is given too, one is accepted");
  } else if (!config.has_cid()) {
    if (config.has_vhost_vsock_device()) errors.push_back("--vhost-vsock-device needs --cid");
    if (config.has_vhost_vsock_fd()) errors.push_back("--vhost-vsock-fd needs --cid");
  }
  const VsockConfig& vsock = config.vsock();
  if (vsock.has_device() && vsock.has_socket()) {
    errors.push_back(
        "--vsock: device= is the kernel's and socket= does without it, one is accepted");
  }
  const auto& sizes = vsock.max_queue_sizes();
  const bool powers_of_two = std::all_of(sizes.begin(), sizes.end(),
                                         [](uint32_t size) { return std::has_single_bit(size); });
  if ((!sizes.empty() && sizes.size() != 3) || !powers_of_two) {
    errors.push_back("--vsock: max-queue-sizes= takes three powers of two, such as [256,256,256]");
  }
}

void CheckKernelCommandLine(RunConfig config, Errors& errors) {
  ApplyDefaults(config);
  const absl::StatusOr<std::string> line = KernelCommandLine(config);
  if (!line.ok()) errors.push_back(std::string(line.status().message()));
}

}  // namespace

Errors Validate(const RunConfig& config, const HostLimits& host) {
  Errors errors;
  CheckKernel(config, errors);
  CheckSchema(config, errors);
  CheckMemory(config, host, errors);
  CheckSwiotlb(config, errors);
  CheckCpus(config, errors);
  CheckSerialDevices(config, errors);
  CheckBlocks(config, errors);
  CheckNets(config, errors);
  CheckVhostUser(config, errors);
  CheckBalloon(config, errors);
  CheckVsock(config, errors);
  CheckMachineOptions(config, host, errors);
  CheckConflicts(config, errors);
  CheckKernelCommandLine(config, errors);
  return errors;
}

}  // namespace touchstone
