// What each type of device needs in its jail: opens it, in this process, and says how the child
// finds it. A new type is a function here, one in jailed_device.cc, and a policy in
// vmm/jail/builtin_policies.cc.
//
// Errors are those of the device in this process.

#ifndef TOUCHSTONE_VMM_MACHINE_JAIL_REQUESTS_H_
#define TOUCHSTONE_VMM_MACHINE_JAIL_REQUESTS_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/fd_socket.h"
#include "devices/platform/serial/serial.pb.h"
#include "devices/virtio/balloon/balloon.h"
#include "devices/virtio/block/block.pb.h"
#include "devices/virtio/block/block_handle.h"
#include "devices/virtio/net/net.pb.h"
#include "devices/virtio/vsock/vsock.pb.h"
#include "vmm/machine/device_host.h"

namespace touchstone {

JailRequest RngJail();

// With what the main process has of it: the other end of the RemoteBalloon's link.
absl::StatusOr<std::pair<JailRequest, FdSocket>> BalloonJail(const Balloon::Options& options);

// With what the main process has of it, for a BlockHandle.
struct JailedBlock {
  JailRequest request;
  BlockHandle::Disk disk;
  FdSocket link;
};
// `threads` for the queues, one at least.
absl::StatusOr<JailedBlock> BlockJail(const BlockConfig& config, AsyncExecutor executor,
                                      uint32_t threads);

// The terminal, if one shows the console, is this process's to change and restore.
absl::StatusOr<JailRequest> ConsoleJail(absl::Span<const SerialConfig> entries);

// REQUIRES: !IsVhostNet(config).
absl::StatusOr<JailRequest> NetJail(const NetConfig& config, uint32_t vcpus);

// `listener` is for config.socket(), and removes that when it goes.
absl::StatusOr<JailRequest> VsockJail(const VsockConfig& config, const FdListener& listener);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_JAIL_REQUESTS_H_
