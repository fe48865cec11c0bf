#include "devices/virtio/net/net_control.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/endian.h"

namespace touchstone {
namespace {

struct Table {
  std::vector<MacAddress> addresses;
  bool overflow = false;
};

// Virtio 1.2, 5.1.6.5.2: a count, then as many addresses. Nothing when the command is shorter.
std::optional<Table> ReadTable(ReadableChain& data) {
  const absl::StatusOr<Le32> count = data.ReadObject<Le32>();
  if (!count.ok()) return std::nullopt;
  const uint64_t size = uint64_t{count->get()} * sizeof(MacAddress);
  if (size > data.readable()) return std::nullopt;
  Table table;
  if (count->get() > ReceiveFilter::kMaxTable) {
    if (!data.Skip(size).ok()) return std::nullopt;
    table.overflow = true;
    return table;
  }
  for (uint32_t i = 0; i < count->get(); ++i) {
    const absl::StatusOr<MacAddress> address = data.ReadObject<MacAddress>();
    if (!address.ok()) return std::nullopt;
    table.addresses.push_back(*address);
  }
  return table;
}

}  // namespace

void NetControl::Handle(ReadableChain chain, uint64_t features) {
  const bool obeyed = Obey(chain, features);
  WritableChain answer = std::move(chain).IntoWritable();
  // A driver that left no room for the answer does not want to know.
  answer.WriteObject(obeyed ? kNetAckOk : kNetAckError).IgnoreError();
  std::move(answer).Complete();
}

bool NetControl::Obey(ReadableChain& command, uint64_t features) {
  const absl::StatusOr<NetControlHeader> header = command.ReadObject<NetControlHeader>();
  if (!header.ok()) return false;
  switch (header->type) {
    case kNetClassReceive:
      return (features & kNetControlReceive) != 0 && Receive(header->command, command);
    case kNetClassMac:
      return Mac(header->command, command, features);
    case kNetClassMultiqueue: {
      if ((features & kNetMultiqueue) == 0 || header->command != kNetPairsSet) return false;
      const absl::StatusOr<Le16> pairs = command.ReadObject<Le16>();
      return pairs.ok() && target_.SetPairs(pairs->get());
    }
    case kNetClassOffloads: {
      if ((features & kNetGuestOffloads) == 0 || header->command != kNetOffloadsSet) return false;
      const absl::StatusOr<Le64> offloads = command.ReadObject<Le64>();
      if (!offloads.ok()) return false;
      // Virtio 1.2, 5.1.6.5.6.2: the driver MUST NOT enable what was not negotiated.
      if ((offloads->get() & ~(features & kNetGuestOffloadBits)) != 0) return false;
      return target_.SetGuestOffloads(offloads->get());
    }
    default:
      return false;
  }
}

bool NetControl::Receive(uint8_t command, ReadableChain& data) {
  const absl::StatusOr<uint8_t> on = data.ReadObject<uint8_t>();
  if (!on.ok()) return false;
  switch (command) {
    case kNetReceivePromiscuous:
      target_.filter().promiscuous = *on != 0;
      return true;
    case kNetReceiveAllMulticast:
      target_.filter().all_multicast = *on != 0;
      return true;
    default:
      return false;
  }
}

bool NetControl::Mac(uint8_t command, ReadableChain& data, uint64_t features) {
  if (command == kNetMacTableSet) return (features & kNetControlReceive) != 0 && MacTable(data);
  if (command != kNetMacAddressSet || (features & kNetControlMac) == 0) return false;
  const absl::StatusOr<MacAddress> mac = data.ReadObject<MacAddress>();
  if (!mac.ok()) return false;
  target_.SetMac(*mac);
  return true;
}

bool NetControl::MacTable(ReadableChain& data) {
  std::optional<Table> unicast = ReadTable(data);
  if (!unicast.has_value()) return false;
  std::optional<Table> multicast = ReadTable(data);
  if (!multicast.has_value()) return false;
  ReceiveFilter& filter = target_.filter();
  filter.unicast = std::move(unicast->addresses);
  filter.unicast_overflow = unicast->overflow;
  filter.multicast = std::move(multicast->addresses);
  filter.multicast_overflow = multicast->overflow;
  return true;
}

}  // namespace touchstone
