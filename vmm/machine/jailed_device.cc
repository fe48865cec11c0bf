#include "vmm/machine/jailed_device.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/event/epoll_loop.h"
#include "base/event/loop_thread.h"
#include "base/fd_socket.h"
#include "base/file_provider.h"
#include "base/log.h"
#include "base/memory/guest_address.h"
#include "base/memory/memory_control.h"
#include "base/read_file.h"
#include "base/scoped_fd.h"
#include "base/status.h"
#include "devices/platform/serial/serial.pb.h"
#include "devices/virtio/balloon/balloon.h"
#include "devices/virtio/balloon/balloon_link.h"
#include "devices/virtio/block/block_link.h"
#include "devices/virtio/block/block_open.h"
#include "devices/virtio/console/console_open.h"
#include "devices/virtio/net/net_open.h"
#include "devices/virtio/rng/rng.h"
#include "devices/virtio/vhost_user/backend.h"
#include "devices/virtio/vsock/vsock_open.h"
#include "vmm/jail/confine.h"
#include "vmm/jail/filter.h"
#include "vmm/jail/filter_source.h"
#include "vmm/jail/jail_report.h"
#include "vmm/jail/jailed_files.h"

namespace touchstone {
namespace {

constexpr uint64_t kMaxConfig = uint64_t{1} << 20;

// The memory of a guest that comes over vhost-user. On the loop's thread.
class PeerMemoryControl final : public MemoryControl {
 public:
  void Follow(const VhostUserBackend* backend) { backend_ = backend; }

  absl::StatusOr<uint64_t> Release(GuestAddress start, uint64_t size) override {
    if (backend_ == nullptr) return 0;
    return GuestMemoryControl(backend_->memory()).Release(start, size);
  }

 private:
  const VhostUserBackend* backend_ = nullptr;
};

// Destroyed from the last member to the first.
struct Device {
  std::vector<std::unique_ptr<LoopThread>> threads;
  std::unique_ptr<VirtioDevice> device;
  PeerMemoryControl* memory = nullptr;  // The device's, if it manages the guest's memory.
  std::unique_ptr<BalloonServer> balloon;
  std::unique_ptr<BlockServer> disk;
};

absl::StatusOr<Device> MakeBalloon(const JailedBalloonConfig& config, EventLoop& loop) {
  Device made;
  auto control = std::make_unique<PeerMemoryControl>();
  made.memory = control.get();
  auto balloon =
      std::make_unique<Balloon>(loop,
                                Balloon::Options{.memory_size = config.memory_size(),
                                                 .target = config.target(),
                                                 .strict = config.strict(),
                                                 .page_reporting = config.page_reporting()},
                                std::move(control));
  ASSIGN_OR_RETURN(made.balloon,
                   BalloonServer::Create(FdSocket(ScopedFd(config.link_fd())), loop, *balloon));
  made.device = std::move(balloon);
  return made;
}

absl::StatusOr<Device> MakeBlock(const JailedBlockConfig& config, EventLoop& loop) {
  Device made;
  std::vector<EventLoop*> more_loops;
  for (uint32_t i = 0; i < config.more_threads(); ++i) {
    ASSIGN_OR_RETURN(std::unique_ptr<LoopThread> thread,
                     LoopThread::Start(absl::StrCat("queue ", i + 1)));
    more_loops.push_back(&thread->loop());
    made.threads.push_back(std::move(thread));
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Block> block,
                   OpenBlock(config.block(), config.async_executor(), loop, std::move(more_loops)));
  ASSIGN_OR_RETURN(made.disk,
                   BlockServer::Create(FdSocket(ScopedFd(config.link_fd())), loop, *block));
  made.device = std::move(block);
  return made;
}

absl::StatusOr<Device> MakeConsole(const JailedConsoleConfig& config, EventLoop& loop) {
  const std::vector<SerialConfig> ports(config.ports().begin(), config.ports().end());
  Device made;
  ASSIGN_OR_RETURN(made.device, OpenConsole(ports, loop, SystemClock(), config.terminal_fd()));
  return made;
}

absl::StatusOr<Device> MakeNet(const JailedNetConfig& config, EventLoop& loop) {
  NetHost host = {.name = config.name(), .path = config.path()};
  for (const int fd : config.tap_fds()) host.taps.emplace_back(fd);
  if (config.has_socket_fd()) host.socket.Reset(config.socket_fd());
  if (config.has_mtu()) host.mtu = static_cast<uint16_t>(config.mtu());
  Device made;
  ASSIGN_OR_RETURN(made.device, OpenNet(config.net(), std::move(host), loop));
  return made;
}

absl::StatusOr<Device> MakeDevice(const JailedDeviceConfig& config, EventLoop& loop) {
  switch (config.device_case()) {
    case JailedDeviceConfig::kRng:
      return Device{.device = std::make_unique<Rng>(loop)};
    case JailedDeviceConfig::kBalloon:
      return MakeBalloon(config.balloon(), loop);
    case JailedDeviceConfig::kBlock:
      return MakeBlock(config.block(), loop);
    case JailedDeviceConfig::kConsole:
      return MakeConsole(config.console(), loop);
    case JailedDeviceConfig::kNet:
      return MakeNet(config.net(), loop);
    case JailedDeviceConfig::kVsock:
      return Device{.device = OpenVsock(config.vsock().vsock(),
                                        ScopedFd(config.vsock().listener_fd()), loop)};
    case JailedDeviceConfig::DEVICE_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("no such device");
}

std::unique_ptr<JailedFiles> FilesOf(const JailedDeviceConfig& config) {
  std::vector<JailedFiles::File> files;
  for (const JailedFile& file : config.files()) {
    files.push_back({file.path(), file.access(), file.fd()});
  }
  return std::make_unique<JailedFiles>(std::move(files), FdSocket(ScopedFd(config.broker_fd())));
}

absl::StatusOr<JailedDeviceConfig> ReadConfig() {
  ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes,
                   ReadFile(absl::StrCat("/proc/self/fd/", kJailedConfigFd), kMaxConfig));
  JailedDeviceConfig config;
  if (!config.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InvalidArgumentError("its configuration is none");
  }
  return config;
}

absl::StatusOr<Filter> FilterOf(const JailedDeviceConfig& config) {
  if (config.has_policy()) return LoadFilter({}, config.policy());
  return ParseFilterBytes(config.filter());
}

absl::Status Serve(const JailedDeviceConfig& config) {
  ASSIGN_OR_RETURN(const std::unique_ptr<EpollLoop> loop, EpollLoop::Create());
  ASSIGN_OR_RETURN(Device made, MakeDevice(config, *loop));
  SendJailReport(kJailReportFd, JailReport::Kind::kServing, 0, "");
  absl::Status end;
  {
    VhostUserBackend backend(
        *made.device, ScopedFd(kJailedSocketFd), *loop,
        [&](const absl::Status& why) {
          end = why;
          loop->Stop();
        },
        VhostUserBackend::Options{.takes_over = config.has_block()});
    if (made.memory != nullptr) made.memory->Follow(&backend);
    loop->Run();
    if (made.memory != nullptr) made.memory->Follow(nullptr);
  }
  made.balloon.reset();
  made.disk.reset();
  for (const std::unique_ptr<LoopThread>& thread : made.threads) thread->Stop();
  made.device.reset();
  return end;
}

}  // namespace

int RunJailedDevice(void (*confined)(const JailedDeviceConfig&)) {
  const absl::StatusOr<JailedDeviceConfig> config = ReadConfig();
  const absl::StatusOr<Filter> filter = config.ok() ? FilterOf(*config) : config.status();
  if (!filter.ok()) {
    LOG(kError, "jail", "%s", filter.status().message());
    return 1;
  }
  ConfineOrDie(*filter, config->max_fds());
  if (confined != nullptr) confined(*config);
  const std::unique_ptr<JailedFiles> files = FilesOf(*config);
  SetFileProvider(files.get());
  const absl::Status end = Serve(*config);
  if (end.ok()) return 0;
  LOG(kError, "jail", "%s: %s", config->name(), end.message());
  return 1;
}

}  // namespace touchstone
