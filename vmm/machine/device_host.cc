#include "vmm/machine/device_host.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd_socket.h"
#include "base/status.h"
#include "vmm/jail/fd_map.h"
#include "vmm/jail/filter.h"
#include "vmm/jail/spawn.h"
#include "vmm/machine/jailed_device.h"

namespace touchstone {
namespace {

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

int JailRequest::Give(ScopedFd fd) {
  fds.push_back(std::move(fd));
  return kJailedDeviceFd + static_cast<int>(fds.size()) - 1;
}

void JailRequest::GiveFile(const std::string& path, int access, ScopedFd fd) {
  JailedFile& file = *config.add_files();
  file.set_path(path);
  file.set_access(access);
  file.set_fd(Give(std::move(fd)));
}

absl::Status DeviceHost::SetFilter(const std::string& policy, JailedDeviceConfig& config) {
  if (options_.filters.directory.empty() && !options_.filters.log_failures) {
    config.set_policy(policy);
    return absl::OkStatus();
  }
  const auto found = filters_.find(policy);
  if (found != filters_.end()) {
    config.set_filter(found->second);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const Filter filter, LoadFilter(options_.filters, policy));
  config.set_filter(filters_[policy] = FilterBytes(filter));
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<void>> DeviceHost::Broker(const JailRequest& request,
                                                         ScopedFd& socket) {
  if (brokers_ == nullptr) {
    ASSIGN_OR_RETURN(brokers_, LoopThread::Start("broker"));
  }
  ASSIGN_OR_RETURN(auto pair, FdSocket::CreatePair(FdSocket::Kind::kSeqPacket));
  socket = std::move(pair.second).Release();
  return std::make_shared<ConnectBroker>(std::move(pair.first), request.connects, brokers_->loop());
}

absl::StatusOr<DeviceHost::Launched> DeviceHost::Launch(const JailRequest& request) {
  JailedDeviceConfig config = request.config;
  RETURN_IF_ERROR(SetFilter(request.policy, config));
  FdMap fds;
  for (int i = 0; i < 2; ++i) {
    if (request.standard[i].valid()) fds.Set(i, request.standard[i].get());
  }
  if (fcntl(STDERR_FILENO, F_GETFD) >= 0) fds.Set(STDERR_FILENO, STDERR_FILENO);
  int number = kJailedDeviceFd;
  for (const ScopedFd& fd : request.fds) fds.Set(number++, fd.get());
  std::shared_ptr<void> broker;
  ScopedFd broker_socket;
  if (!request.connects.empty()) {
    ASSIGN_OR_RETURN(broker, Broker(request, broker_socket));
    fds.Set(number, broker_socket.get());
    config.set_broker_fd(number);
  }
  ASSIGN_OR_RETURN(const ScopedFd file, FileOf(config));
  ASSIGN_OR_RETURN(auto sockets, FdSocket::CreatePair(FdSocket::Kind::kStream));
  fds.Set(kJailedConfigFd, file.get());
  fds.Set(kJailedSocketFd, sockets.second.fd());
  absl::StatusOr<JailedProcess> child =
      options_.server != nullptr
          ? options_.server->Spawn(config.name(), fds)
          : Spawn({.name = config.name(),
                   .executable = options_.executable,
                   .arguments = {"touchstone", std::string(kJailedDeviceCommand), config.name()},
                   .fds = std::move(fds),
                   .pivot_root = options_.pivot_root});
  RETURN_IF_ERROR(child.status());
  return Launched{.process = *std::move(child),
                  .socket = std::move(sockets.first).Release(),
                  .helper = std::move(broker)};
}

absl::StatusOr<std::unique_ptr<HostedDevice>> DeviceHost::Host(const JailRequest& request) {
  ASSIGN_OR_RETURN(Launched launched, Launch(request));
  return std::make_unique<HostedDevice>(
      std::move(launched), loop_,
      HostedDevice::Options{
          .shape = request.shape, .failed = options_.failed, .lingers = request.lingers});
}

absl::StatusOr<std::unique_ptr<HostedDevice>> DeviceHost::HostReplaceable(
    std::shared_ptr<const JailRequest> request) {
  ASSIGN_OR_RETURN(Launched launched, Launch(*request));
  return std::make_unique<HostedDevice>(
      std::move(launched), loop_,
      HostedDevice::Options{.shape = request->shape,
                            .failed = options_.failed,
                            .lingers = request->lingers,
                            .relaunch = [this, request] { return Launch(*request); }});
}

SpawnServer::Program DeviceHost::Program(const Options& options) {
  return {.executable = options.executable,
          .arguments = {"touchstone", std::string(kJailedDeviceCommand)},
          .name_is_argument = true,
          .pivot_root = options.pivot_root};
}

}  // namespace touchstone
