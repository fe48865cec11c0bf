// What driver and network device say to each other (Virtio 1.2, 5.1). Numbers only.
//
//   receive or transmit queue:  | header 12 | Ethernet frame |
//   control queue:              | class 1 | command 1 | data | -> | ack 1 |

#ifndef TOUCHSTONE_DEVICES_VIRTIO_NET_NET_PROTOCOL_H_
#define TOUCHSTONE_DEVICES_VIRTIO_NET_NET_PROTOCOL_H_

#include <array>
#include <cstdint>

#include "base/bits.h"
#include "base/endian.h"

namespace touchstone {

using MacAddress = std::array<uint8_t, 6>;

// --- Features (5.1.3).

inline constexpr uint64_t kNetChecksum = Bit<uint64_t>(0);       // The device completes checksums.
inline constexpr uint64_t kNetGuestChecksum = Bit<uint64_t>(1);  // The driver does.
inline constexpr uint64_t kNetGuestOffloads = Bit<uint64_t>(2);  // They change at run time.
inline constexpr uint64_t kNetMtu = Bit<uint64_t>(3);            // The configuration has one.
inline constexpr uint64_t kNetMac = Bit<uint64_t>(5);            // The configuration has one.
inline constexpr uint64_t kNetGuestTso4 = Bit<uint64_t>(7);      // The driver takes large frames:
inline constexpr uint64_t kNetGuestTso6 = Bit<uint64_t>(8);      // TCP over IPv4, IPv6,
inline constexpr uint64_t kNetGuestEcn = Bit<uint64_t>(9);       // with ECN,
inline constexpr uint64_t kNetGuestUfo = Bit<uint64_t>(10);      // UDP.
inline constexpr uint64_t kNetHostTso4 = Bit<uint64_t>(11);      // The device does.
inline constexpr uint64_t kNetHostTso6 = Bit<uint64_t>(12);
inline constexpr uint64_t kNetHostEcn = Bit<uint64_t>(13);
inline constexpr uint64_t kNetHostUfo = Bit<uint64_t>(14);
inline constexpr uint64_t kNetMergeable = Bit<uint64_t>(15);  // A frame in several buffers.
inline constexpr uint64_t kNetStatus = Bit<uint64_t>(16);     // The link's state is told.
inline constexpr uint64_t kNetControlQueue = Bit<uint64_t>(17);
inline constexpr uint64_t kNetControlReceive = Bit<uint64_t>(18);  // Modes of the filter.
inline constexpr uint64_t kNetMultiqueue = Bit<uint64_t>(22);
inline constexpr uint64_t kNetControlMac = Bit<uint64_t>(23);  // The address can be set.

// What a driver may turn on and off (5.1.6.5.6.1); the bits of the command are those of features.
inline constexpr uint64_t kNetGuestOffloadBits =
    kNetGuestChecksum | kNetGuestTso4 | kNetGuestTso6 | kNetGuestEcn | kNetGuestUfo;
inline constexpr uint64_t kNetHostOffloadBits =
    kNetChecksum | kNetHostTso4 | kNetHostTso6 | kNetHostEcn | kNetHostUfo;

// --- Configuration (5.1.4).

struct NetConfigLayout {
  MacAddress mac;
  Le16 status;
  Le16 max_pairs;
  Le16 mtu;
};
static_assert(sizeof(NetConfigLayout) == 12);

inline constexpr uint16_t kNetLinkUp = 1;
// 5.1.4.1: MTU and number of pairs of queues are in these bounds.
inline constexpr uint16_t kNetMinMtu = 68;
inline constexpr uint16_t kNetMaxPairs = 0x8000;

// --- Frames (5.1.6).

struct NetHeader {
  uint8_t flags = 0;
  uint8_t gso_type = 0;
  Le16 header_length;
  Le16 gso_size;
  Le16 checksum_start;
  Le16 checksum_offset;
  Le16 buffers;  // That the frame is in; for the driver only.
};
static_assert(sizeof(NetHeader) == 12);

inline constexpr uint32_t kEthernetHeader = 14;
// The largest IP packet, with an Ethernet header and a VLAN tag.
inline constexpr uint32_t kNetMaxFrame = 65535 + kEthernetHeader + 4;
// The same with the header of virtio.
inline constexpr uint32_t kNetMaxPacket = kNetMaxFrame + sizeof(NetHeader);
inline constexpr uint32_t kNetMinPacket = kEthernetHeader + sizeof(NetHeader);

// --- Control (5.1.6.5).

struct NetControlHeader {
  uint8_t type = 0;
  uint8_t command = 0;
};

inline constexpr uint8_t kNetAckOk = 0;
inline constexpr uint8_t kNetAckError = 1;

inline constexpr uint8_t kNetClassReceive = 0;  // Each command has a byte, on or off.
inline constexpr uint8_t kNetReceivePromiscuous = 0;
inline constexpr uint8_t kNetReceiveAllMulticast = 1;

inline constexpr uint8_t kNetClassMac = 1;
inline constexpr uint8_t kNetMacTableSet = 0;  // Unicast, then multicast: count 4, addresses.
inline constexpr uint8_t kNetMacAddressSet = 1;

inline constexpr uint8_t kNetClassMultiqueue = 4;
inline constexpr uint8_t kNetPairsSet = 0;  // Number 2.

inline constexpr uint8_t kNetClassOffloads = 5;
inline constexpr uint8_t kNetOffloadsSet = 0;  // Bits 8.

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_NET_NET_PROTOCOL_H_
