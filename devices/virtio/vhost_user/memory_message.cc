#include "devices/virtio/vhost_user/memory_message.h"

#include "absl/types/span.h"

namespace touchstone {
namespace {

// Where guest address 0 is among the user addresses that the back end is told: anywhere will do, as
// long as no ring is at 0.
constexpr uint64_t kUserBase = uint64_t{1} << 46;

uint64_t UserAddress(GuestAddress address) { return kUserBase + Raw(address); }

}  // namespace

VhostUserMemoryMessage VhostUserMemoryOf(const GuestMemory& memory) {
  const absl::Span<const GuestMemory::Region> regions = memory.regions();
  VhostUserMemoryMessage message;
  message.payload = VhostUserPayload(
      VhostUserMemoryHeader{.regions = static_cast<uint32_t>(regions.size()), .padding = 0u});
  for (const GuestMemory::Region& region : regions) {
    const std::vector<uint8_t> entry =
        VhostUserPayload(VhostUserMemoryRegion{.guest_address = Raw(region.start),
                                               .size = region.size,
                                               .user_address = UserAddress(region.start),
                                               .mmap_offset = region.file_offset});
    message.payload.insert(message.payload.end(), entry.begin(), entry.end());
    message.fds.push_back(region.fd);
  }
  return message;
}

VhostUserVringAddress VhostUserAddressOf(uint16_t index, const QueueLayout& layout, bool logged) {
  return {.index = uint32_t{index},
          .flags = logged ? kVhostUserVringLog : 0,
          .descriptors = UserAddress(layout.descriptors),
          .used = UserAddress(layout.device),
          .available = UserAddress(layout.driver),
          .log = logged ? Raw(layout.device) : 0};
}

}  // namespace touchstone
