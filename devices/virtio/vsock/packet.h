// Packets of the socket device (Virtio 1.2, 5.10.6): a header, and payload after it in RW packets.
//
//   | src_cid 8 | dst_cid 8 | src_port 4 | dst_port 4 | length 4 | type 2 | op 2 | flags 4 |
//   | buf_alloc 4 | fwd_cnt 4 |  payload of `length` bytes

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VSOCK_PACKET_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VSOCK_PACKET_H_

#include <cstdint>

#include "base/endian.h"

namespace touchstone {

// Virtio 1.2, 5.10.4: the host's address. 0, 1 and 2^32 - 1 are nobody's, and the upper half of an
// address is 0.
inline constexpr uint64_t kVsockHostCid = 2;
inline constexpr uint64_t kVsockMinGuestCid = 3;
inline constexpr uint64_t kVsockMaxGuestCid = 0xfffffffe;

struct VsockHeader {
  Le64 src_cid;
  Le64 dst_cid;
  Le32 src_port;
  Le32 dst_port;
  Le32 length;  // Of the payload.
  Le16 type;
  Le16 op;
  Le32 flags;
  // Of the sender: what it has room for, and how much has ever left that room.
  Le32 buf_alloc;
  Le32 fwd_cnt;
};
static_assert(sizeof(VsockHeader) == 44);

inline constexpr uint16_t kVsockTypeStream = 1;

enum class VsockOp : uint16_t {
  kInvalid = 0,
  kRequest = 1,   // Open a connection.
  kResponse = 2,  // It is open.
  kReset = 3,     // There is no such connection (any more).
  kShutdown = 4,  // The flags say what the sender will not do any more.
  kReadWrite = 5,
  kCreditUpdate = 6,
  kCreditRequest = 7,
};

// Flags of kShutdown.
inline constexpr uint32_t kVsockNoReceive = 1 << 0;
inline constexpr uint32_t kVsockNoSend = 1 << 1;
inline constexpr uint32_t kVsockNothing = kVsockNoReceive | kVsockNoSend;

// Virtio 1.2, 5.10.6.7: the device's one event. All connections are gone; the address may have
// changed.
struct VsockEvent {
  Le32 id;
};
inline constexpr uint32_t kVsockTransportReset = 0;

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VSOCK_PACKET_H_
