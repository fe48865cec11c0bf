#include "vmm/machine/device_host.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/fd_socket.h"
#include "base/log.h"
#include "base/status.h"
#include "vmm/jail/fd_map.h"
#include "vmm/jail/filter.h"
#include "vmm/jail/spawn.h"
#include "vmm/machine/jailed_device.h"

namespace touchstone {
namespace {

// Far beyond what it takes on a machine that does nothing else.
constexpr absl::Duration kPatience = absl::Seconds(20);

// A child, and who waits for its end.
struct WatchedProcess {
  explicit WatchedProcess(JailedProcess child) : process(std::move(child)) {}

  JailedProcess process;
  Watch watch;
};

absl::StatusOr<ScopedFd> FileOf(const JailedDeviceConfig& config) {
  const std::string bytes = config.SerializeAsString();
  ScopedFd file(memfd_create("touchstone_device", MFD_CLOEXEC));
  if (!file.valid()) return ErrnoStatus(errno, "memfd_create");
  if (pwrite(file.get(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return ErrnoStatus(errno, "pwrite");
  }
  return file;
}

}  // namespace

bool DeviceHost::Wanted(const RunConfig& config) {
  return !config.disable_sandbox() && (config.has_pivot_root() || config.has_seccomp_policy_dir() ||
                                       config.seccomp_log_failures());
}

absl::StatusOr<DeviceHost::Hosted> DeviceHost::Host(Request request) const {
  ASSIGN_OR_RETURN(const Filter filter, LoadFilter(options_.filters, request.policy));
  request.config.set_filter(FilterBytes(filter));
  ASSIGN_OR_RETURN(const ScopedFd file, FileOf(request.config));
  ASSIGN_OR_RETURN(auto sockets, FdSocket::CreatePair(FdSocket::Kind::kStream));
  FdMap fds;
  if (fcntl(STDERR_FILENO, F_GETFD) >= 0) fds.Set(STDERR_FILENO, STDERR_FILENO);
  fds.Set(kJailedConfigFd, file.get());
  fds.Set(kJailedSocketFd, sockets.second.fd());
  int number = kJailedDeviceFd;
  for (const ScopedFd& fd : request.fds) fds.Set(number++, fd.get());
  ASSIGN_OR_RETURN(JailedProcess child,
                   Spawn({.name = request.config.name(),
                          .executable = options_.executable,
                          .arguments = {"touchstone", std::string(kJailedDeviceCommand)},
                          .fds = std::move(fds),
                          .pivot_root = options_.pivot_root}));
  sockets.second = FdSocket(ScopedFd());
  RETURN_IF_ERROR(child.AwaitConfined(kPatience));
  auto process = std::make_shared<WatchedProcess>(std::move(child));
  absl::StatusOr<std::unique_ptr<VhostUserFrontend>> device = VhostUserFrontend::Create(
      std::move(sockets.first).Release(), loop_, std::move(request.device));
  if (!device.ok()) {
    // A child that has gone says it better.
    process->process.Kill();
    const absl::Status end = process->process.AwaitEnd();
    return Annotate(absl::IsPermissionDenied(end) ? end : device.status(),
                    "the jailed device " + request.config.name());
  }
  process->watch = loop_.OnReadable(process->process.ended_fd(), [raw = process.get()] {
    raw->watch = Watch();
    const absl::Status end = raw->process.AwaitEnd();
    LOG(kError, "jail", "a device is lost: %s", end.ok() ? "its process ended" : end.message());
  });
  return Hosted{.device = *std::move(device), .process = std::move(process)};
}

}  // namespace touchstone
