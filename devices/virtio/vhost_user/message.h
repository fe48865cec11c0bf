// Messages of vhost-user: a header, a payload of a shape that the request says, and descriptors
// beside them (vhost-user, "Message Specification").
//
//   | request 4 | flags 4 | size 4 | payload, `size` bytes |
//
// Numbers are in the byte order of the host that both ends run on; this code runs on little-endian
// ones. What each request carries: message_table.h.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_MESSAGE_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_MESSAGE_H_

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "absl/types/span.h"
#include "base/bits.h"
#include "base/endian.h"
#include "base/scoped_fd.h"

namespace touchstone {

// --- Requests of a front end (vhost-user, "Front-end message types").
enum class VhostUserRequest : uint32_t {
  kGetFeatures = 1,
  kSetFeatures = 2,
  kSetOwner = 3,
  kResetOwner = 4,
  kSetMemTable = 5,
  kSetLogBase = 6,
  kSetLogFd = 7,
  kSetVringNum = 8,
  kSetVringAddr = 9,
  kSetVringBase = 10,
  kGetVringBase = 11,
  kSetVringKick = 12,
  kSetVringCall = 13,
  kSetVringErr = 14,
  kGetProtocolFeatures = 15,
  kSetProtocolFeatures = 16,
  kGetQueueNum = 17,
  kSetVringEnable = 18,
  kSetBackendReqFd = 21,
  kGetConfig = 24,
  kSetConfig = 25,
  kGetInflightFd = 31,
  kSetInflightFd = 32,
  kResetDevice = 34,
  kGetMaxMemSlots = 36,
  kAddMemReg = 37,
  kRemMemReg = 38,
  kSetStatus = 39,
  kGetStatus = 40,
  kSetDeviceStateFd = 42,
  kCheckDeviceState = 43,
};

// --- Requests of a back end, on the socket of kSetBackendReqFd ("Back-end message types").
enum class VhostUserBackendRequest : uint32_t {
  kConfigChange = 2,
};

// --- The header.
struct VhostUserHeader {
  Le32 request;
  Le32 flags;
  Le32 size;
};
static_assert(sizeof(VhostUserHeader) == 12);

inline constexpr uint32_t kVhostUserVersionMask = Mask(1, 0);
inline constexpr uint32_t kVhostUserVersion = 1;
inline constexpr uint32_t kVhostUserReply = Bit(2);
inline constexpr uint32_t kVhostUserNeedReply = Bit(3);
inline constexpr uint32_t kVhostUserKnownFlags =
    kVhostUserVersionMask | kVhostUserReply | kVhostUserNeedReply;

// --- Feature bits.

// Of virtio, unused there: there are protocol features.
inline constexpr uint64_t kVhostUserProtocolFeatures = Bit<uint64_t>(30);

// Of vhost: writes to memory are logged ("Migration").
inline constexpr uint64_t kVhostUserLogAll = Bit<uint64_t>(26);
// What never comes from a device.
inline constexpr uint64_t kVhostUserOwnFeatures = kVhostUserProtocolFeatures | kVhostUserLogAll;

// Protocol features ("Protocol features").
inline constexpr uint64_t kVhostUserMq = Bit<uint64_t>(0);
inline constexpr uint64_t kVhostUserLogShmfd = Bit<uint64_t>(1);
inline constexpr uint64_t kVhostUserReplyAck = Bit<uint64_t>(3);
inline constexpr uint64_t kVhostUserBackendReq = Bit<uint64_t>(5);
inline constexpr uint64_t kVhostUserConfigSpace = Bit<uint64_t>(9);
inline constexpr uint64_t kVhostUserInflightShmfd = Bit<uint64_t>(12);
inline constexpr uint64_t kVhostUserResetDevice = Bit<uint64_t>(13);
inline constexpr uint64_t kVhostUserConfigureMemSlots = Bit<uint64_t>(15);
inline constexpr uint64_t kVhostUserStatus = Bit<uint64_t>(16);
inline constexpr uint64_t kVhostUserDeviceState = Bit<uint64_t>(19);

// --- Payloads.

struct VhostUserVringState {
  Le32 index;
  Le32 num;
};
static_assert(sizeof(VhostUserVringState) == 8);

// Ring addresses are user addresses: those that the memory table gives its regions.
struct VhostUserVringAddress {
  Le32 index;
  Le32 flags;
  Le64 descriptors;
  Le64 used;
  Le64 available;
  Le64 log;
};
static_assert(sizeof(VhostUserVringAddress) == 40);

// Flags: writes to the used ring are logged, as if it were at guest address `log`.
inline constexpr uint32_t kVhostUserVringLog = Bit(0);

// The log of dirty pages, from page 0 on (base/memory/dirty_log.h).
struct VhostUserLog {
  Le64 mmap_size;
  Le64 mmap_offset;
};
static_assert(sizeof(VhostUserLog) == 16);

struct VhostUserMemoryRegion {
  Le64 guest_address;
  Le64 size;
  Le64 user_address;
  Le64 mmap_offset;
};
static_assert(sizeof(VhostUserMemoryRegion) == 32);

// Before the regions of a table.
struct VhostUserMemoryHeader {
  Le32 regions;
  Le32 padding;
};

struct VhostUserSingleRegion {
  Le64 padding;
  VhostUserMemoryRegion region;
};
static_assert(sizeof(VhostUserSingleRegion) == 40);

inline constexpr size_t kVhostUserTableRegions = 8;  // Of kSetMemTable.

// Before the bytes of a piece of configuration.
struct VhostUserConfigHeader {
  Le32 offset;
  Le32 size;
  Le32 flags;
};
static_assert(sizeof(VhostUserConfigHeader) == 12);

// What front and back ends move at most at one time.
inline constexpr uint32_t kVhostUserConfigSize = 256;
inline constexpr uint32_t kVhostUserConfigMigration = 1;  // Flags: whatever the driver may write.

// A kick, call or error descriptor: which queue, and whether there is none.
inline constexpr uint64_t kVhostUserQueueMask = Mask<uint64_t>(7, 0);
inline constexpr uint64_t kVhostUserNoFd = Bit<uint64_t>(8);

// Memory for chains in flight. There are peers that send the padding of a C structure after it.
struct VhostUserInflight {
  Le64 mmap_size;
  Le64 mmap_offset;
  Le16 queues;
  Le16 queue_size;
};
static_assert(sizeof(VhostUserInflight) == 20);

struct VhostUserStateRequest {
  Le32 direction;
  Le32 phase;
};
inline constexpr uint32_t kVhostUserStateSave = 0;  // From the back end.
inline constexpr uint32_t kVhostUserStateLoad = 1;
inline constexpr uint32_t kVhostUserPhaseStopped = 0;

// --- A message as a connection moves it.
struct VhostUserMessage {
  uint32_t request = 0;
  uint32_t flags = 0;
  std::vector<uint8_t> payload;
  std::vector<ScopedFd> fds;

  [[nodiscard]] bool reply() const { return (flags & kVhostUserReply) != 0; }
  [[nodiscard]] bool needs_reply() const { return (flags & kVhostUserNeedReply) != 0; }

  // The object at the start of the payload. REQUIRES: there is room for it, as message_table.h
  // says.
  template <typename T>
  [[nodiscard]] T Get(size_t offset = 0) const {
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) == 1);
    T object;
    memcpy(&object, payload.data() + offset, sizeof(T));
    return object;
  }
};

// A payload of these bytes.
template <typename T>
[[nodiscard]] std::vector<uint8_t> VhostUserPayload(const T& object) {
  static_assert(std::is_trivially_copyable_v<T> && alignof(T) == 1);
  const auto* const bytes = reinterpret_cast<const uint8_t*>(&object);
  return {bytes, bytes + sizeof(T)};
}

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_MESSAGE_H_
