#include "vmm/machine/virtio_devices.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/fd_socket.h"
#include "base/memory/memory_control.h"
#include "base/status.h"
#include "base/terminal.h"
#include "devices/virtio/balloon/balloon.h"
#include "devices/virtio/balloon/balloon_control.h"
#include "devices/virtio/balloon/balloon_link.h"
#include "devices/virtio/block/block_config.h"
#include "devices/virtio/block/block_format.h"
#include "devices/virtio/block/block_handle.h"
#include "devices/virtio/block/block_link.h"
#include "devices/virtio/block/block_open.h"
#include "devices/virtio/console/console_open.h"
#include "devices/virtio/net/net_open.h"
#include "devices/virtio/rng/rng.h"
#include "devices/virtio/vsock/vsock_open.h"
#include "vmm/machine/jail_requests.h"
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

enum class Death { kFinal, kReplaced };

// Puts the device of `part` into its jail.
absl::Status Jail(const VirtioSurroundings& machine, JailRequest request, VirtioPart& part,
                  Death death = Death::kFinal) {
  request.config.set_name(part.name);
  DeviceHost& jails = *machine.device_host;
  ASSIGN_OR_RETURN(
      std::unique_ptr<HostedDevice> device,
      death == Death::kFinal
          ? jails.Host(request)
          : jails.HostReplaceable(std::make_shared<const JailRequest>(std::move(request))));
  part.hosted = device.get();
  part.device = std::move(device);
  return absl::OkStatus();
}

// A jailed console may not: the terminal is the main process's.
absl::Status EnterRawTerminal(absl::Span<const SerialConfig> entries, VirtioPart& part) {
  if (!absl::c_any_of(entries, [](const SerialConfig& entry) { return entry.stdin(); })) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(RawTerminal raw, RawTerminal::Enter(STDIN_FILENO));
  part.helper = std::make_shared<RawTerminal>(std::move(raw));
  return absl::OkStatus();
}

// --serial: the virtio-console entries are one device, each legacy-virtio-console is one.
absl::Status AddConsoles(const VirtioSurroundings& machine, Parts& parts) {
  const auto add = [&](absl::Span<const SerialConfig> entries, std::string name) -> absl::Status {
    VirtioPart part = {.name = std::move(name)};
    if (machine.device_host != nullptr) {
      ASSIGN_OR_RETURN(JailRequest request, ConsoleJail(entries));
      RETURN_IF_ERROR(Jail(machine, std::move(request), part));
      RETURN_IF_ERROR(EnterRawTerminal(entries, part));
    } else {
      ASSIGN_OR_RETURN(part.device, OpenConsole(entries, *machine.host.loop, *machine.host.clock));
    }
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

// Destroyed from the last member to the first.
struct BlockHelper {
  std::unique_ptr<BlockServer> server;  // Null when that is in another process.
  std::unique_ptr<BlockHandle> handle;
};

// What changes the size of the disk.
absl::Status AddBlockHandle(const VirtioSurroundings& machine, BlockHandle::Disk disk,
                            FdSocket link, std::unique_ptr<BlockServer> server, VirtioPart& part) {
  auto helper = std::make_shared<BlockHelper>();
  helper->server = std::move(server);
  ASSIGN_OR_RETURN(helper->handle,
                   BlockHandle::Create(std::move(disk), std::move(link), *machine.host.loop));
  part.disk = helper->handle.get();
  part.helper = std::move(helper);
  return absl::OkStatus();
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
      ASSIGN_OR_RETURN(JailedBlock jailed, BlockJail(config, machine.config.async_executor(),
                                                     config.multiple_workers() ? queues : 1));
      RETURN_IF_ERROR(Jail(machine, std::move(jailed.request), part, Death::kReplaced));
      RETURN_IF_ERROR(
          AddBlockHandle(machine, std::move(jailed.disk), std::move(jailed.link), nullptr, part));
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
    BlockHandle::Disk disk = {.read_only = config.ro(), .sparse = config.sparse()};
    ASSIGN_OR_RETURN(std::unique_ptr<Block> block,
                     OpenBlock(config, machine.config.async_executor(), part.thread->loop(),
                               std::move(more_loops), &disk.file));
    ASSIGN_OR_RETURN(auto link, FdSocket::CreatePair(FdSocket::Kind::kSeqPacket));
    ASSIGN_OR_RETURN(std::unique_ptr<BlockServer> server,
                     BlockServer::Create(std::move(link.second), part.thread->loop(), *block));
    RETURN_IF_ERROR(
        AddBlockHandle(machine, std::move(disk), std::move(link.first), std::move(server), part));
    part.device = std::move(block);
    parts.push_back(std::move(part));
  }
  return absl::OkStatus();
}

absl::Status AddRng(const VirtioSurroundings& machine, Parts& parts) {
  if (machine.config.no_rng()) return absl::OkStatus();
  VirtioPart part = {.name = "rng"};
  if (machine.device_host != nullptr) {
    RETURN_IF_ERROR(Jail(machine, RngJail(), part));
  } else {
    part.device = std::make_unique<Rng>(*machine.host.loop);
  }
  parts.push_back(std::move(part));
  return absl::OkStatus();
}

// Destroyed from the last member to the first.
struct BalloonHelper {
  std::unique_ptr<RemoteBalloon> remote;
  std::unique_ptr<BalloonControl> control;
};

absl::Status AddBalloon(const VirtioSurroundings& machine, Parts& parts) {
  const RunConfig& config = machine.config;
  if (config.no_balloon()) return absl::OkStatus();
  const uint64_t size = machine.memory.total_size();
  const uint64_t wanted = config.has_init_mem() ? config.init_mem() << 20 : size;
  const Balloon::Options options = {.memory_size = size,
                                    .target = size - std::min(size, wanted),
                                    .strict = config.strict_balloon(),
                                    .page_reporting = config.balloon_page_reporting()};
  EventLoop& loop = *machine.host.loop;
  VirtioPart part = {.name = "balloon"};
  auto helper = std::make_shared<BalloonHelper>();
  if (machine.device_host != nullptr) {
    ASSIGN_OR_RETURN(auto request, BalloonJail(options));
    RETURN_IF_ERROR(Jail(machine, std::move(request.first), part));
    helper->remote =
        std::make_unique<RemoteBalloon>(std::move(request.second), loop, size, options.target);
    part.balloon = helper->remote.get();
  } else {
    auto balloon = std::make_unique<Balloon>(loop, options,
                                             std::make_unique<GuestMemoryControl>(machine.memory));
    part.balloon = balloon.get();
    part.device = std::move(balloon);
  }
  if (config.has_balloon_control()) {
    absl::StatusOr<std::unique_ptr<BalloonControl>> control =
        BalloonControl::Connect(config.balloon_control(), loop, *part.balloon);
    if (!control.ok()) return Annotate(control.status(), "--balloon-control");
    helper->control = *std::move(control);
  }
  part.helper = std::move(helper);
  parts.push_back(std::move(part));
  return absl::OkStatus();
}

// --net: each moves its frames on a thread of its own, if not in a process of its own. With
// vhost-net the kernel works on the queues in the memory of this process, so the device stays here.
absl::Status AddNets(const VirtioSurroundings& machine, Parts& parts) {
  const uint32_t vcpus = machine.config.cpus().num_cores();
  for (const NetConfig& net : machine.config.net()) {
    VirtioPart part = {.name = absl::StrCat("net ", parts.size())};
    RETURN_IF_ERROR(SetAddress(net, "--net", part));
    if (machine.device_host != nullptr && !IsVhostNet(net)) {
      absl::StatusOr<JailRequest> request = NetJail(net, vcpus);
      if (!request.ok()) return Annotate(request.status(), "--net");
      RETURN_IF_ERROR(Jail(machine, *std::move(request), part));
    } else {
      ASSIGN_OR_RETURN(part.thread, LoopThread::Start("net"));
      absl::StatusOr<std::unique_ptr<VirtioDevice>> device =
          OpenNet(net, vcpus, part.thread->loop());
      if (!device.ok()) return Annotate(device.status(), "--net");
      part.device = *std::move(device);
    }
    parts.push_back(std::move(part));
  }
  return absl::OkStatus();
}

// --vsock: with the kernel's (vhost) as --net.
absl::Status AddVsock(const VirtioSurroundings& machine, Parts& parts) {
  if (!machine.config.has_vsock()) return absl::OkStatus();
  const VsockConfig& config = machine.config.vsock();
  VirtioPart part = {.name = "vsock"};
  if (machine.device_host != nullptr && config.has_socket()) {
    absl::StatusOr<FdListener> listener = ListenForVsock(config);
    if (!listener.ok()) return Annotate(listener.status(), "--vsock");
    ASSIGN_OR_RETURN(JailRequest request, VsockJail(config, *listener));
    RETURN_IF_ERROR(Jail(machine, std::move(request), part));
    part.helper = std::make_shared<FdListener>(*std::move(listener));
  } else {
    ASSIGN_OR_RETURN(part.thread, LoopThread::Start("vsock"));
    absl::StatusOr<std::unique_ptr<VirtioDevice>> device = OpenVsock(config, part.thread->loop());
    if (!device.ok()) return Annotate(device.status(), "--vsock");
    part.device = *std::move(device);
  }
  parts.push_back(std::move(part));
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
  std::unique_ptr<VirtioDevices> self(new VirtioDevices);
  VirtioSurroundings machine = surroundings;
  if (DeviceHost::Wanted(config)) {
    self->jails_ = std::make_unique<DeviceHost>(
        *surroundings.host.loop,
        DeviceHost::Options{.filters = {.directory = config.seccomp_policy_dir(),
                                        .log_failures = config.seccomp_log_failures()},
                            .pivot_root = config.pivot_root(),
                            .server = surroundings.host.jails,
                            .failed = surroundings.failed});
    machine.device_host = self->jails_.get();
  }
  for (const auto add : kDevices) RETURN_IF_ERROR(add(machine, parts));
  for (VirtioPart& part : parts) {
    RETURN_IF_ERROR(self->Add(std::move(part), surroundings, vm, msi));
  }
  return self;
}

void VirtioDevices::RunOnHelperThread(std::function<void()> task) const {
  EventLoop* const loop = jails_ == nullptr ? nullptr : jails_->helper_loop();
  if (loop != nullptr) loop->Post(std::move(task));
}

VirtioDevices::~VirtioDevices() {
  Stop();
  for (Device& device : devices_) {
    if (device.part.hosted != nullptr) device.part.hosted->BeginEnd();
  }
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
  if (part.disk != nullptr) disks_.push_back(part.disk);
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

std::vector<VirtioDevices::View> VirtioDevices::Views() const {
  std::vector<View> views;
  for (const Device& device : devices_) {
    views.push_back({.name = device.part.name,
                     .function = device.pci.get(),
                     .jailed = device.part.hosted != nullptr,
                     .virtio = device.pci->View()});
  }
  return views;
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
