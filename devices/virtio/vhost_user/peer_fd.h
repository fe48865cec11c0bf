// Descriptors that a peer shares with us.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_PEER_FD_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_PEER_FD_H_

#include <sys/types.h>

#include <cstddef>

#include "absl/status/status.h"

namespace touchstone {

// Sets O_NONBLOCK, for all who share it.
absl::Status SetNonBlocking(int fd);

// write(2) to what may be a pipe without a reader: EPIPE, and no signal. Thread-safe.
ssize_t WriteQuietly(int fd, const char* bytes, size_t size);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_PEER_FD_H_
