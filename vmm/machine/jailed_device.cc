#include "vmm/machine/jailed_device.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/event/epoll_loop.h"
#include "base/event/loop_thread.h"
#include "base/log.h"
#include "base/read_file.h"
#include "base/scoped_fd.h"
#include "base/status.h"
#include "devices/virtio/block/block_open.h"
#include "devices/virtio/rng/rng.h"
#include "devices/virtio/vhost_user/backend.h"
#include "vmm/jail/confine.h"
#include "vmm/jail/filter.h"
#include "vmm/machine/jailed_device.pb.h"

namespace touchstone {
namespace {

constexpr uint64_t kMaxConfig = uint64_t{1} << 20;

struct Device {
  std::vector<std::unique_ptr<LoopThread>> threads;
  std::unique_ptr<VirtioDevice> device;
};

absl::StatusOr<Device> MakeBlock(const JailedBlockConfig& config, EventLoop& loop) {
  Device made;
  std::vector<EventLoop*> more_loops;
  for (uint32_t i = 0; i < config.more_threads(); ++i) {
    ASSIGN_OR_RETURN(std::unique_ptr<LoopThread> thread,
                     LoopThread::Start(absl::StrCat("queue ", i + 1)));
    more_loops.push_back(&thread->loop());
    made.threads.push_back(std::move(thread));
  }
  ASSIGN_OR_RETURN(made.device,
                   OpenBlock(config.block(), config.async_executor(), loop, std::move(more_loops)));
  return made;
}

absl::StatusOr<Device> MakeDevice(const JailedDeviceConfig& config, EventLoop& loop) {
  switch (config.device_case()) {
    case JailedDeviceConfig::kRng:
      return Device{.device = std::make_unique<Rng>(loop)};
    case JailedDeviceConfig::kBlock:
      return MakeBlock(config.block(), loop);
    case JailedDeviceConfig::DEVICE_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("no such device");
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

absl::Status Serve(const JailedDeviceConfig& config) {
  ASSIGN_OR_RETURN(const std::unique_ptr<EpollLoop> loop, EpollLoop::Create());
  ASSIGN_OR_RETURN(Device made, MakeDevice(config, *loop));
  absl::Status end;
  {
    VhostUserBackend backend(*made.device, ScopedFd(kJailedSocketFd), *loop,
                             [&](const absl::Status& why) {
                               end = why;
                               loop->Stop();
                             });
    loop->Run();
  }
  for (const std::unique_ptr<LoopThread>& thread : made.threads) thread->Stop();
  made.device.reset();
  return end;
}

}  // namespace

int RunJailedDevice() {
  const absl::StatusOr<JailedDeviceConfig> config = ReadConfig();
  const absl::StatusOr<Filter> filter =
      config.ok() ? ParseFilterBytes(config->filter()) : config.status();
  if (!filter.ok()) {
    LOG(kError, "jail", "%s", filter.status().message());
    return 1;
  }
  ConfineOrDie(*filter);
  const absl::Status end = Serve(*config);
  if (end.ok()) return 0;
  LOG(kError, "jail", "%s: %s", config->name(), end.message());
  return 1;
}

}  // namespace touchstone
