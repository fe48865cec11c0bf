#include "vmm/machine/vhost_user_devices.h"

#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <functional>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/endian.h"
#include "base/log.h"
#include "base/scoped_fd.h"
#include "base/status.h"
#include "base/unix_socket.h"
#include "devices/virtio/vhost_user/frontend.h"

namespace touchstone {
namespace {

// A device type as far as the front end has to know it.
struct Kind {
  VhostUserConfig::Type type;
  const char* name;
  uint32_t device_id;    // Virtio 1.2, section 5.
  uint16_t queues;       // Where the back end does not say how many (crosvm.md 3.2).
  uint32_t config_size;  // Of what back ends of all ages have; they refuse to be asked for more.
  bool replays = false;  // VhostUserFrontend::Options::replays.
};

constexpr Kind kKinds[] = {
    {VhostUserConfig::NET, "net", 1, 3, 12},
    {VhostUserConfig::BLOCK, "block", 2, 1, 60, true},
    {VhostUserConfig::CONSOLE, "console", 3, 2, 12},
    {VhostUserConfig::RNG, "rng", 4, 1, 0, true},
    {VhostUserConfig::BALLOON, "balloon", 5, 2, 16},
    {VhostUserConfig::SCSI, "scsi", 8, 3, 36},
    {VhostUserConfig::NINE_P, "9p", 9, 1, 256},
    {VhostUserConfig::INPUT, "input", 18, 2, 136},
    {VhostUserConfig::VSOCK, "vsock", 19, 3, 8},
    {VhostUserConfig::SOUND, "sound", 25, 4, 12},
    {VhostUserConfig::FS, "fs", 26, 2, 40},
};

// Of a queue, when nothing is said: what every back end has.
constexpr uint32_t kQueueSize = 256;
constexpr uint32_t kMaxQueueSize = 32768;
constexpr size_t kFsTagSize = 36;
constexpr std::chrono::milliseconds kRetryDelay(1);

const Kind* FindKind(VhostUserConfig::Type type) {
  const auto* const found = std::find_if(std::begin(kKinds), std::end(kKinds),
                                         [&](const Kind& kind) { return kind.type == type; });
  return found == std::end(kKinds) ? nullptr : found;
}

// Rounded down to a power of two; 0 is as if it was not given (crosvm.md 3.2).
uint16_t QueueSize(const VhostUserConfig& config) {
  const bool given = config.has_max_queue_size() && config.max_queue_size() != 0;
  const uint32_t wanted = given ? config.max_queue_size() : kQueueSize;
  return static_cast<uint16_t>(std::min(std::bit_floor(wanted), kMaxQueueSize));
}

bool IsInherited(const std::string& path) { return absl::StartsWith(path, "/proc/self/fd/"); }

absl::StatusOr<ScopedFd> Connect(const std::string& path, uint32_t timeout_ms) {
  if (IsInherited(path)) return OpenFile(path, 0);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (true) {
    absl::StatusOr<ScopedFd> socket = ConnectUnix(path, SOCK_STREAM);
    if (socket.ok() || !MayConnectLater(socket.status())) return socket;
    if (std::chrono::steady_clock::now() >= deadline) return socket;
    std::this_thread::sleep_for(kRetryDelay);
  }
}

// Of a directory (Virtio 1.2, 5.11.4): its tag, filled up with zeros, and 1 queue for requests.
std::vector<uint8_t> FsConfig(const std::string& tag) {
  std::vector<uint8_t> config(tag.begin(), tag.end());
  config.resize(kFsTagSize);
  const Le32 queues(1u);
  const auto* const bytes = reinterpret_cast<const uint8_t*>(&queues);
  config.insert(config.end(), bytes, bytes + sizeof(queues));
  return config;
}

// How to find the next back end where the last one was: not at all when the socket was handed down.
std::function<absl::StatusOr<ScopedFd>()> Reconnect(const std::string& path) {
  if (IsInherited(path)) return nullptr;
  return [path] { return ConnectUnix(path, SOCK_STREAM); };
}

void Append(VhostUserConfig::Type type, const std::string& option,
            const google::protobuf::RepeatedPtrField<VhostUserSocketConfig>& from,
            std::vector<VhostUserEntry>& to) {
  for (const VhostUserSocketConfig& each : from) {
    VhostUserEntry& entry = to.emplace_back();
    entry.option = option;
    entry.config.set_type(type);
    entry.config.set_socket(each.socket());
    if (each.has_max_queue_size()) entry.config.set_max_queue_size(each.max_queue_size());
  }
}

}  // namespace

std::vector<VhostUserEntry> VhostUserEntries(const RunConfig& config) {
  std::vector<VhostUserEntry> entries;
  for (const VhostUserFsConfig& each : config.vhost_user_fs()) {
    VhostUserEntry& entry = entries.emplace_back();
    entry.option = "--vhost-user-fs";
    entry.tag = each.tag();
    entry.config.set_type(VhostUserConfig::FS);
    entry.config.set_socket(each.socket());
    if (each.has_max_queue_size()) entry.config.set_max_queue_size(each.max_queue_size());
  }
  for (const VhostUserConfig& each : config.vhost_user()) {
    entries.push_back({.name = {}, .option = "--vhost-user", .config = each, .tag = {}});
  }
  // crosvm.md 1.4: in this order.
  Append(VhostUserConfig::BLOCK, "--vhost-user-blk", config.vhost_user_blk(), entries);
  Append(VhostUserConfig::CONSOLE, "--vhost-user-console", config.vhost_user_console(), entries);
  Append(VhostUserConfig::NET, "--vhost-user-net", config.vhost_user_net(), entries);
  Append(VhostUserConfig::SOUND, "--vhost-user-snd", config.vhost_user_snd(), entries);
  Append(VhostUserConfig::VSOCK, "--vhost-user-vsock", config.vhost_user_vsock(), entries);
  for (VhostUserEntry& entry : entries) {
    const Kind* const kind = FindKind(entry.config.type());
    entry.name =
        absl::StrCat("vhost-user ", kind == nullptr ? "" : kind->name, " ", entry.config.socket());
  }
  return entries;
}

bool HasVhostUserDevices(const RunConfig& config) { return !VhostUserEntries(config).empty(); }

absl::StatusOr<std::unique_ptr<VirtioDevice>> OpenVhostUser(const VhostUserEntry& entry,
                                                            uint32_t timeout_ms, EventLoop& loop) {
  const Kind* const kind = FindKind(entry.config.type());
  if (kind == nullptr) {
    return absl::UnimplementedError(absl::StrCat(entry.option, ": type=: not implemented yet"));
  }
  if (entry.tag.size() > kFsTagSize) {
    return absl::InvalidArgumentError(
        absl::StrCat(entry.option, ": tag=: longer than ", kFsTagSize, " bytes"));
  }
  // The older spelling of a directory says what the newer one cannot.
  if (entry.option != "--vhost-user" && entry.tag.empty()) {
    LOG(kWarning, "run", "%s is deprecated, give --vhost-user %s,socket=%s", entry.option,
        kind->name, entry.config.socket());
  }
  const std::string& path = entry.config.socket();
  absl::StatusOr<ScopedFd> socket = Connect(path, timeout_ms);
  if (!socket.ok()) return Annotate(socket.status(), absl::StrCat(entry.option, ": socket="));
  VhostUserFrontend::Options options;
  options.device_id = kind->device_id;
  options.queue_sizes = std::vector<uint16_t>(kind->queues, QueueSize(entry.config));
  options.ask_queue_count = true;
  options.config_size = kind->config_size;
  if (!entry.tag.empty()) options.config = FsConfig(entry.tag);
  options.connect = Reconnect(path);
  options.replays = kind->replays;
  absl::StatusOr<std::unique_ptr<VirtioDevice>> device =
      VhostUserFrontend::Create(*std::move(socket), loop, std::move(options));
  if (!device.ok()) {
    return Annotate(device.status(), absl::StrCat(entry.option, ": ", entry.config.socket()));
  }
  return device;
}

}  // namespace touchstone
