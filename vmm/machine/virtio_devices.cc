#include "vmm/machine/virtio_devices.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/memory/memory_control.h"
#include "base/scoped_fd.h"
#include "base/status.h"
#include "devices/virtio/balloon/balloon.h"
#include "devices/virtio/balloon/balloon_control.h"
#include "devices/virtio/block/block_config.h"
#include "devices/virtio/block/block_format.h"
#include "devices/virtio/block/block_open.h"
#include "devices/virtio/console/console_open.h"
#include "devices/virtio/net/net_open.h"
#include "devices/virtio/rng/rng.h"
#include "devices/virtio/vsock/vsock_open.h"
#include "vmm/machine/jailed_device.h"
#include "vmm/machine/vhost_user_devices.h"

namespace touchstone {
namespace {

// --- One function for each device: appends what the configuration asks for. Errors name the option
// (Annotate(status, "--block")).

using Parts = std::vector<VirtioPart>;

// Of an option with the key pci-address=.
template <typename Config>
absl::Status SetAddress(const Config& config, const char* option, VirtioPart& part) {
  if (!config.has_pci_address()) return absl::OkStatus();
  const absl::StatusOr<PciAddress> address = PciAddress::Parse(config.pci_address());
  if (!address.ok()) return Annotate(address.status(), absl::StrCat(option, " pci-address="));
  part.address = *address;
  return absl::OkStatus();
}

// --serial: the virtio-console entries are one device, each legacy-virtio-console is one.
absl::Status AddConsoles(const VirtioSurroundings& machine, Parts& parts) {
  const auto add = [&](absl::Span<const SerialConfig> entries, std::string name) -> absl::Status {
    ASSIGN_OR_RETURN(std::unique_ptr<VirtioDevice> device,
                     OpenConsole(entries, *machine.host.loop, *machine.host.clock));
    VirtioPart part = {.name = std::move(name), .device = std::move(device)};
    for (const SerialConfig& entry : entries) {
      RETURN_IF_ERROR(SetAddress(entry, "--serial", part));
    }
    parts.push_back(std::move(part));
    return absl::OkStatus();
  };
  std::vector<SerialConfig> ports;
  std::vector<SerialConfig> legacy;
  for (const SerialConfig& serial : machine.config.serial()) {
    if (serial.hardware() == SerialConfig::VIRTIO_CONSOLE) ports.push_back(serial);
    if (serial.hardware() == SerialConfig::LEGACY_VIRTIO_CONSOLE) legacy.push_back(serial);
  }
  absl::c_sort(legacy, [](const auto& a, const auto& b) { return a.num() < b.num(); });
  if (!ports.empty()) RETURN_IF_ERROR(add(ports, "console"));
  for (const SerialConfig& entry : legacy) {
    RETURN_IF_ERROR(add({&entry, 1}, absl::StrCat("legacy console ", entry.num())));
  }
  return absl::OkStatus();
}

// Puts the device of `part` into its jail.
absl::Status Jail(const VirtioSurroundings& machine, DeviceHost::Request request,
                  VirtioPart& part) {
  request.config.set_name(part.name);
  ASSIGN_OR_RETURN(DeviceHost::Hosted hosted, machine.device_host->Host(std::move(request)));
  part.device = std::move(hosted.device);
  part.helper = std::move(hosted.process);
  return absl::OkStatus();
}

absl::Status JailBlock(const VirtioSurroundings& machine, const BlockConfig& config,
                       uint32_t queues, VirtioPart& part) {
  DeviceHost::Request request = {
      .policy = "block_device",
      .device = {.device_id = Block::kDeviceId,
                 .queue_sizes = std::vector<uint16_t>(kBlockQueues, Block::kQueueSize),
                 .config_size = sizeof(BlockConfigSpace)}};
  ASSIGN_OR_RETURN(ScopedFd file, OpenBlockFile(config));
  request.fds.push_back(std::move(file));
  JailedBlockConfig& block = *request.config.mutable_block();
  *block.mutable_block() = config;
  block.mutable_block()->set_path(absl::StrCat("/proc/self/fd/", kJailedDeviceFd));
  block.set_async_executor(machine.config.async_executor());
  block.set_more_threads(config.multiple_workers() ? queues - 1 : 0);
  return Annotate(Jail(machine, std::move(request), part),
                  absl::StrCat("--block path=", config.path()));
}

// --block: each disk has a thread, or with multiple-workers one for each queue that the guest will
// use, as Linux uses no more of them than it has CPUs.
absl::Status AddBlocks(const VirtioSurroundings& machine, Parts& parts) {
  for (int i = 0; i < machine.config.block_size(); ++i) {
    const BlockConfig& config = machine.config.block(i);
    const std::string name = BlockName(static_cast<size_t>(i));
    const uint32_t queues = std::min<uint32_t>(machine.config.cpus().num_cores(), kBlockQueues);
    VirtioPart part = {.name = absl::StrCat("block ", name)};
    RETURN_IF_ERROR(SetAddress(config, "--block", part));
    if (config.has_bootindex()) part.boot_index = config.bootindex();
    if (machine.device_host != nullptr) {
      RETURN_IF_ERROR(JailBlock(machine, config, queues, part));
      parts.push_back(std::move(part));
      continue;
    }
    ASSIGN_OR_RETURN(part.thread, LoopThread::Start(name));
    std::vector<EventLoop*> more_loops;
    for (uint32_t queue = 1; config.multiple_workers() && queue < queues; ++queue) {
      ASSIGN_OR_RETURN(std::unique_ptr<LoopThread> thread,
                       LoopThread::Start(absl::StrCat(name, " queue ", queue)));
      more_loops.push_back(&thread->loop());
      part.more_threads.push_back(std::move(thread));
    }
    ASSIGN_OR_RETURN(part.device, OpenBlock(config, machine.config.async_executor(),
                                            part.thread->loop(), std::move(more_loops)));
    parts.push_back(std::move(part));
  }
  return absl::OkStatus();
}

absl::Status AddRng(const VirtioSurroundings& machine, Parts& parts) {
  if (machine.config.no_rng()) return absl::OkStatus();
  VirtioPart part = {.name = "rng"};
  if (machine.device_host != nullptr) {
    DeviceHost::Request request = {
        .policy = "rng_device",
        .device = {.device_id = Rng::kDeviceId, .queue_sizes = {Rng::kQueueSize}}};
    request.config.mutable_rng();
    RETURN_IF_ERROR(Jail(machine, std::move(request), part));
  } else {
    part.device = std::make_unique<Rng>(*machine.host.loop);
  }
  parts.push_back(std::move(part));
  return absl::OkStatus();
}

absl::Status AddBalloon(const VirtioSurroundings& machine, Parts& parts) {
  const RunConfig& config = machine.config;
  if (config.no_balloon()) return absl::OkStatus();
  const uint64_t size = machine.memory.total_size();
  const uint64_t wanted = config.has_init_mem() ? config.init_mem() << 20 : size;
  auto balloon =
      std::make_unique<Balloon>(*machine.host.loop,
                                Balloon::Options{.memory_size = size,
                                                 .target = size - std::min(size, wanted),
                                                 .strict = config.strict_balloon(),
                                                 .page_reporting = config.balloon_page_reporting()},
                                std::make_unique<GuestMemoryControl>(machine.memory));
  VirtioPart part = {.name = "balloon"};
  if (config.has_balloon_control()) {
    absl::StatusOr<std::unique_ptr<BalloonControl>> control =
        BalloonControl::Connect(config.balloon_control(), *machine.host.loop, *balloon);
    if (!control.ok()) return Annotate(control.status(), "--balloon-control");
    part.helper = *std::move(control);
  }
  part.balloon = balloon.get();
  part.device = std::move(balloon);
  parts.push_back(std::move(part));
  return absl::OkStatus();
}

// --net: each moves its frames on a thread of its own.
absl::Status AddNets(const VirtioSurroundings& machine, Parts& parts) {
  for (const NetConfig& net : machine.config.net()) {
    VirtioPart part = {.name = absl::StrCat("net ", parts.size())};
    RETURN_IF_ERROR(SetAddress(net, "--net", part));
    ASSIGN_OR_RETURN(part.thread, LoopThread::Start("net"));
    absl::StatusOr<std::unique_ptr<VirtioDevice>> device =
        OpenNet(net, machine.config.cpus().num_cores(), part.thread->loop());
    if (!device.ok()) return Annotate(device.status(), "--net");
    part.device = *std::move(device);
    parts.push_back(std::move(part));
  }
  return absl::OkStatus();
}

absl::Status AddVsock(const VirtioSurroundings& machine, Parts& parts) {
  if (!machine.config.has_vsock()) return absl::OkStatus();
  ASSIGN_OR_RETURN(std::unique_ptr<LoopThread> thread, LoopThread::Start("vsock"));
  absl::StatusOr<std::unique_ptr<VirtioDevice>> device =
      OpenVsock(machine.config.vsock(), thread->loop());
  if (!device.ok()) return Annotate(device.status(), "--vsock");
  parts.push_back({.name = "vsock", .device = *std::move(device), .thread = std::move(thread)});
  return absl::OkStatus();
}

// --vhost-user and its older spellings. Their rings are worked on elsewhere; what is left, on the
// main loop.
absl::Status AddVhostUsers(const VirtioSurroundings& machine, Parts& parts) {
  for (const VhostUserEntry& entry : VhostUserEntries(machine.config)) {
    VirtioPart part = {.name = entry.name};
    RETURN_IF_ERROR(SetAddress(entry.config, "--vhost-user", part));
    ASSIGN_OR_RETURN(
        part.device,
        OpenVhostUser(entry, machine.config.vhost_user_connect_timeout_ms(), *machine.host.loop));
    parts.push_back(std::move(part));
  }
  return absl::OkStatus();
}

// In crosvm's order (crosvm.md 5.2), since guests know their devices by address: console, block,
// scsi, pmem, rng, pvclock, tpm, input, balloon, net, sound, video, vsock, fs and 9p, vhost-user.
constexpr absl::Status (*kDevices[])(const VirtioSurroundings& machine, Parts& parts) = {
    AddConsoles, AddBlocks, AddRng, AddBalloon, AddNets, AddVsock, AddVhostUsers,
};

}  // namespace

absl::StatusOr<std::unique_ptr<VirtioDevices>> VirtioDevices::Create(
    const VirtioSurroundings& surroundings, Vm& vm, MsiTarget& msi) {
  Parts parts;
  const RunConfig& config = surroundings.config;
  const DeviceHost jails(*surroundings.host.loop,
                         {.filters = {.directory = config.seccomp_policy_dir(),
                                      .log_failures = config.seccomp_log_failures()},
                          .pivot_root = config.pivot_root()});
  VirtioSurroundings machine = surroundings;
  if (DeviceHost::Wanted(config)) machine.device_host = &jails;
  for (const auto add : kDevices) RETURN_IF_ERROR(add(machine, parts));
  std::unique_ptr<VirtioDevices> self(new VirtioDevices);
  for (VirtioPart& part : parts) {
    RETURN_IF_ERROR(self->Add(std::move(part), surroundings, vm, msi));
  }
  return self;
}

VirtioDevices::~VirtioDevices() {
  Stop();
  // Before the loops, on which they may still watch what belongs to the host.
  for (Device& device : devices_) {
    device.pci.reset();
    device.part.helper.reset();
    device.part.device.reset();
  }
}

absl::Status VirtioDevices::Add(VirtioPart part, const VirtioSurroundings& machine, Vm& vm,
                                MsiTarget& msi) {
  if (part.balloon != nullptr) balloon_ = part.balloon;
  Device device = {.part = std::move(part)};
  device.kicks = std::make_unique<KickEvents>(vm, device.part.name);
  VirtioPci::Options options = {
      .name = device.part.name,
      .memory = machine.memory,
      .msi = &msi,
      .intx = !machine.config.disable_virtio_intx(),
      .access_platform = machine.config.has_swiotlb(),
      .on_kick_addresses =
          [kicks = device.kicks.get()](absl::Span<const VirtioPci::KickAddress> addresses) {
            kicks->Update(addresses);
          }};
  ASSIGN_OR_RETURN(device.pci, VirtioPci::Create(*device.part.device, std::move(options)));
  devices_.push_back(std::move(device));
  return absl::OkStatus();
}

std::vector<PlacedFunction> VirtioDevices::functions() {
  std::vector<PlacedFunction> functions;
  for (Device& device : devices_) {
    functions.push_back({device.pci.get(), device.part.address, device.part.boot_index});
  }
  return functions;
}

absl::Status VirtioDevices::Sleep() {
  for (Device& device : devices_) {
    absl::Status status = device.pci->Sleep();
    if (status.ok()) continue;
    WakeUp();
    return Annotate(status, device.part.name);
  }
  return absl::OkStatus();
}

void VirtioDevices::WakeUp() {
  for (Device& device : devices_) device.pci->WakeUp();
}

void VirtioDevices::Stop() {
  for (Device& device : devices_) device.pci->Reset();
  for (Device& device : devices_) {
    if (device.part.thread != nullptr) device.part.thread->Stop();
    for (const std::unique_ptr<LoopThread>& thread : device.part.more_threads) thread->Stop();
  }
}

}  // namespace touchstone
