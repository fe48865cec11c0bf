#include "vmm/machine/jail_requests.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "devices/platform/serial/serial_backend.h"
#include "devices/virtio/balloon/balloon_protocol.h"
#include "devices/virtio/block/block.h"
#include "devices/virtio/block/block_format.h"
#include "devices/virtio/block/block_open.h"
#include "devices/virtio/console/console.h"
#include "devices/virtio/console/console_open.h"
#include "devices/virtio/console/console_protocol.h"
#include "devices/virtio/net/net.h"
#include "devices/virtio/net/net_open.h"
#include "devices/virtio/net/net_protocol.h"
#include "devices/virtio/rng/rng.h"
#include "devices/virtio/vsock/vsock_config.h"
#include "devices/virtio/vsock/vsock_open.h"

namespace touchstone {
namespace {

// Every connection is a descriptor (Muxer::kMaxConnections), and some are others.
constexpr int kVsockMaxFds = 4096 + 512;

}  // namespace

JailRequest RngJail() {
  JailRequest request = {
      .policy = "rng_device",
      .shape = {.device_id = Rng::kDeviceId, .queue_sizes = {Rng::kQueueSize}},
  };
  request.config.mutable_rng();
  return request;
}

absl::StatusOr<std::pair<JailRequest, FdSocket>> BalloonJail(const Balloon::Options& options) {
  ASSIGN_OR_RETURN(auto link, FdSocket::CreatePair(FdSocket::Kind::kSeqPacket));
  JailRequest request = {
      .policy = "balloon_device",
      .shape = {.device_id = Balloon::kDeviceId,
                .queue_sizes =
                    std::vector<uint16_t>(options.page_reporting ? 4 : 3, Balloon::kQueueSize),
                .config_size = sizeof(BalloonConfigSpace)},
  };
  JailedBalloonConfig& balloon = *request.config.mutable_balloon();
  balloon.set_memory_size(options.memory_size);
  balloon.set_target(options.target);
  balloon.set_strict(options.strict);
  balloon.set_page_reporting(options.page_reporting);
  balloon.set_link_fd(request.Give(std::move(link.second).Release()));
  return std::make_pair(std::move(request), std::move(link.first));
}

absl::StatusOr<JailedBlock> BlockJail(const BlockConfig& config, AsyncExecutor executor,
                                      uint32_t threads) {
  ASSIGN_OR_RETURN(ScopedFd file, OpenBlockFile(config, executor));
  ScopedFd copy(fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return ErrnoStatus(errno, "duplicate the disk's descriptor");
  ASSIGN_OR_RETURN(auto link, FdSocket::CreatePair(FdSocket::Kind::kSeqPacket));
  JailRequest request = {
      .policy = "block_device",
      .shape = {.device_id = Block::kDeviceId,
                .queue_sizes = std::vector<uint16_t>(kBlockQueues, Block::kQueueSize),
                .config_size = sizeof(BlockConfigSpace)},
  };
  JailedBlockConfig& block = *request.config.mutable_block();
  *block.mutable_block() = config;
  block.set_async_executor(executor);
  block.set_more_threads(threads - 1);
  block.set_link_fd(request.Give(std::move(link.second).Release()));
  request.GiveFile(config.path(), config.ro() ? O_RDONLY : O_RDWR, std::move(file));
  return JailedBlock{.request = std::move(request),
                     .disk = {std::move(copy), config.ro(), config.sparse()},
                     .link = std::move(link.first)};
}

absl::StatusOr<JailRequest> ConsoleJail(absl::Span<const SerialConfig> entries) {
  JailRequest request = {
      .policy = "serial_device",
      .shape = {.device_id = Console::kDeviceId, .config_size = sizeof(ConsoleConfigSpace)},
      .lingers = true};
  ASSIGN_OR_RETURN(request.shape.queue_sizes, ConsoleQueueSizes(entries));
  JailedConsoleConfig& console = *request.config.mutable_console();
  for (const SerialConfig& entry : entries) {
    *console.add_ports() = entry;
    absl::StatusOr<std::vector<SerialFile>> files = OpenSerialFiles(entry);
    if (!files.ok()) {
      return Annotate(files.status(), absl::StrCat("--serial: virtio-console ", entry.num()));
    }
    for (SerialFile& file : *files) {
      if (file.path == kSerialStandard) {
        request.standard[file.access == O_RDONLY ? 0 : 1] = std::move(file.fd);
      } else {
        request.GiveFile(file.path, file.access, std::move(file.fd));
      }
    }
    for (SerialSocket& socket : SerialSockets(entry)) {
      request.connects.push_back({std::move(socket.path), socket.type});
    }
  }
  console.set_terminal_fd(ConsoleTerminal(entries));
  return request;
}

absl::StatusOr<JailRequest> NetJail(const NetConfig& config, uint32_t vcpus) {
  ASSIGN_OR_RETURN(NetHost host, OpenNetHost(config, vcpus));
  const size_t pairs = host.taps.empty() ? 1 : host.taps.size();
  JailRequest request = {
      .policy = "net_device",
      .shape = {.device_id = Net::kDeviceId,
                .queue_sizes = std::vector<uint16_t>(2 * pairs + 1, Net::kQueueSize),
                .config_size = sizeof(NetConfigLayout)},
  };
  JailedNetConfig& net = *request.config.mutable_net();
  *net.mutable_net() = config;
  for (ScopedFd& tap : host.taps) net.add_tap_fds(request.Give(std::move(tap)));
  if (host.socket.valid()) net.set_socket_fd(request.Give(std::move(host.socket)));
  net.set_name(host.name);
  net.set_path(host.path);
  if (host.mtu.has_value()) net.set_mtu(*host.mtu);
  if (!host.path.empty()) request.connects.push_back({host.path, SOCK_STREAM});
  return request;
}

absl::StatusOr<JailRequest> VsockJail(const VsockConfig& config, const FdListener& listener) {
  ScopedFd copy(fcntl(listener.fd(), F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return ErrnoStatus(errno, "duplicate the listening socket");
  const std::array<uint16_t, 3> sizes = VsockQueueSizes(config);
  JailRequest request = {
      .policy = "vsock_device",
      .shape = {.device_id = kVsockDeviceId,
                .queue_sizes = std::vector<uint16_t>(sizes.begin(), sizes.end()),
                .config_size = sizeof(uint64_t)},
      .connects = {{config.socket(), SOCK_STREAM, /*ports=*/true}},
  };
  request.config.set_max_fds(kVsockMaxFds);
  JailedVsockConfig& vsock = *request.config.mutable_vsock();
  *vsock.mutable_vsock() = config;
  vsock.set_listener_fd(request.Give(std::move(copy)));
  return request;
}

}  // namespace touchstone
