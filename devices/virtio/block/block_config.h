// What a --block option says, before any file is opened: whether it makes sense, the name that
// Linux gives to the disk, and the kernel parameter for the one that is the root.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_CONFIG_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_CONFIG_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "devices/virtio/block/block.pb.h"

namespace touchstone {

// InvalidArgument for values that no disk can have; names the option and the file.
absl::Status CheckBlockConfig(const BlockConfig& config);

// vda, vdb, ..., vdz, vdaa: disks in the order of the configuration.
std::string BlockName(size_t index);

// "root=/dev/vdX ro" or "... rw"; empty when no disk is the root. InvalidArgument when several are.
absl::StatusOr<std::string> BlockRootParameter(
    const google::protobuf::RepeatedPtrField<BlockConfig>& disks);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_CONFIG_H_
