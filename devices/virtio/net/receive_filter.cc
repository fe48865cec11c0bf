#include "devices/virtio/net/receive_filter.h"

#include "absl/algorithm/container.h"

namespace touchstone {
namespace {

constexpr MacAddress kBroadcast = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};

bool IsMulticast(const MacAddress& address) { return (address[0] & 1) != 0; }

}  // namespace

bool ReceiveFilter::Accepts(const MacAddress& destination) const {
  if (promiscuous || destination == kBroadcast) return true;
  if (IsMulticast(destination)) {
    return all_multicast || multicast_overflow || absl::c_linear_search(multicast, destination);
  }
  // A driver whose address is not known gets what comes: nothing else can tell.
  return !mac.has_value() || destination == *mac || unicast_overflow ||
         absl::c_linear_search(unicast, destination);
}

}  // namespace touchstone
