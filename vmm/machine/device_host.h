// Puts virtio devices into jailed processes of their own.
//
//   DeviceHost ──spawns──► touchstone jailed-device (vmm/jail)
//   HostedDevice, VhostUserFrontend ◄──vhost-user──► VhostUserBackend, Rng
//
// The guest's kicks and the device's interrupts go between the kernel and the child; this process
// is not on the data path. What each type of device needs: jail_requests.h.
//
// Thread-compatible. Host on the thread that outlives what is hosted: children die with it.

#ifndef TOUCHSTONE_VMM_MACHINE_DEVICE_HOST_H_
#define TOUCHSTONE_VMM_MACHINE_DEVICE_HOST_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/event/event_loop.h"
#include "base/event/loop_thread.h"
#include "base/scoped_fd.h"
#include "vmm/config/config.pb.h"
#include "vmm/jail/connect_broker.h"
#include "vmm/jail/filter_source.h"
#include "vmm/jail/spawn_server.h"
#include "vmm/machine/hosted_device.h"
#include "vmm/machine/jailed_device.pb.h"

namespace touchstone {

// A device to be jailed: all that its process gets.
struct JailRequest {
  std::string policy;         // As for LoadFilter.
  JailedDeviceConfig config;  // Without its filter.
  HostedDevice::Shape shape;
  bool lingers = false;  // As HostedDevice::Options.
  // The child's descriptors: standard input, output; from kJailedDeviceFd on.
  ScopedFd standard[2];
  std::vector<ScopedFd> fds;
  std::vector<ConnectTarget> connects;  // The sockets that it may connect to.

  // The number that `fd` will have there.
  int Give(ScopedFd fd);
  // There, OpenFile(path) with this access mode is `fd`.
  void GiveFile(const std::string& path, int access, ScopedFd fd);
};

class DeviceHost {
 public:
  struct Options {
    FilterSource filters;
    std::string pivot_root;                     // Empty: an empty file system.
    std::string executable = "/proc/self/exe";  // Has the sub-command kJailedDeviceCommand.
    // Makes the processes, with the executable, root and arguments that it has; Program() is what
    // it takes. Null: this process does. Borrowed.
    const SpawnServer* server = nullptr;
    // As HostedDevice::Options.
    std::function<void(const absl::Status& why)> failed;
  };

  using Launched = HostedDevice::Launched;

  // Whether devices of this configuration are jailed: unless --disable-sandbox says otherwise
  // (crosvm.md 2.2 and 8).
  static bool Wanted(const RunConfig& config) { return !config.disable_sandbox(); }

  // The loop is borrowed, and outlives what is hosted, as this does.
  DeviceHost(EventLoop& loop, Options options) : loop_(loop), options_(std::move(options)) {}

  // What a SpawnServer is started with for these options.
  static SpawnServer::Program Program(const Options& options);

  // Starts a process, as often as wanted with the same request. Does not wait for it. Errors say
  // what the host refuses.
  [[nodiscard]] absl::StatusOr<Launched> Launch(const JailRequest& request);

  // Launches, and takes the device from there.
  [[nodiscard]] absl::StatusOr<std::unique_ptr<HostedDevice>> Host(const JailRequest& request);
  // The same for a device whose process is replaced when it dies: another one may answer what it
  // left unanswered, or answered already. This outlives the device.
  [[nodiscard]] absl::StatusOr<std::unique_ptr<HostedDevice>> HostReplaceable(
      std::shared_ptr<const JailRequest> request);

  // Where this works beside the loop; null when it does not.
  [[nodiscard]] EventLoop* helper_loop() {
    return brokers_ == nullptr ? nullptr : &brokers_->loop();
  }

 private:
  // A built-in policy the child compiles itself, as others do theirs at the same time.
  absl::Status SetFilter(const std::string& policy, JailedDeviceConfig& config);
  // Its child's end goes to `socket`.
  absl::StatusOr<std::shared_ptr<void>> Broker(const JailRequest& request, ScopedFd& socket);

  EventLoop& loop_;
  const Options options_;
  std::map<std::string, std::string> filters_;
  // Where brokers work: nobody there waits for a child.
  std::unique_ptr<LoopThread> brokers_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_DEVICE_HOST_H_
