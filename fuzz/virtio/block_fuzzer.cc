// A hostile driver of disks of each kind, and a host that answers late, fails and recovers
// (fuzz/support/virtio_program.h; devices/virtio/block/block_testing.h has the host's events).

#include "devices/virtio/block/block_testing.h"
#include "fuzz/support/virtio_fuzzer.h"

// Most with one queue: starting queues is most of what an execution costs.
VIRTIO_FUZZER(touchstone::BlockKit(1), touchstone::BlockSlowKit(2), touchstone::BlockAlignedKit(1),
              touchstone::BlockReadOnlyKit(1));
