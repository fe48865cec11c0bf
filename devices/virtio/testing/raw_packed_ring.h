// A packed ring as a driver, or an attacker, writes it into guest memory: any bytes at any place.
//
//   RawPackedRing ring(memory, GuestAddress{0x1000}, 8);
//   ring.MakeAvailable(0, {.address = 0x8000, .length = 16, .id = 7}, /*wrap=*/true);
//
// Layout: devices/virtio/core/queue_layout.h. Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_TESTING_RAW_PACKED_RING_H_
#define TOUCHSTONE_DEVICES_VIRTIO_TESTING_RAW_PACKED_RING_H_

#include <atomic>
#include <cstdint>
#include <utility>

#include "base/endian.h"
#include "base/log.h"
#include "base/memory/guest_memory.h"
#include "devices/virtio/core/queue_layout.h"

namespace touchstone {

class RawPackedRing {
 public:
  // The three areas follow each other from `base`, a multiple of 16. REQUIRES: they are guest
  // memory, of one region.
  RawPackedRing(GuestMemory memory, GuestAddress base, uint32_t size)
      : memory_(std::move(memory)), layout_(LayoutAt(base, size)) {}

  static QueueLayout LayoutAt(GuestAddress base, uint32_t size) {
    const uint64_t driver = uint64_t{size} * kDescriptorSize;
    return {
        .size = size, .descriptors = base, .driver = base + driver, .device = base + driver + 4};
  }

  [[nodiscard]] const QueueLayout& layout() const { return layout_; }

  // As it is, flags included; the flags go last.
  void SetDescriptor(uint32_t index, const PackedDescriptor& descriptor) {
    const GuestAddress at = layout_.descriptors + uint64_t{index} * kDescriptorSize;
    Put(at, descriptor.address);
    Put(at + 8, descriptor.length);
    Put(at + 12, descriptor.id);
    GuestAtomic<uint16_t>::Create(memory_, FlagsOf(index))
        .value()
        .Store(descriptor.flags, std::memory_order_release);
  }
  // With the bits that make it available in the lap of this wrap counter (Virtio 1.2, 2.8.1).
  void MakeAvailable(uint32_t index, PackedDescriptor descriptor, bool wrap) {
    descriptor.flags = static_cast<uint16_t>(
        descriptor.flags | (wrap ? kPackedDescriptorAvailable : kPackedDescriptorUsed));
    SetDescriptor(index, descriptor);
  }
  [[nodiscard]] PackedDescriptor descriptor(uint32_t index) const {
    return Get<PackedDescriptor>(layout_.descriptors + uint64_t{index} * kDescriptorSize);
  }
  // True when the device wrote the descriptor in the lap of this wrap counter; what it wrote before
  // is then visible to the caller.
  [[nodiscard]] bool IsUsed(uint32_t index, bool wrap) const {
    const uint16_t flags = GuestAtomic<uint16_t>::Create(memory_, FlagsOf(index))
                               .value()
                               .Load(std::memory_order_acquire);
    return ((flags & kPackedDescriptorAvailable) != 0) == wrap &&
           ((flags & kPackedDescriptorUsed) != 0) == wrap;
  }

  // The event suppression structures (Virtio 1.2, 2.8.14).
  void SetDriverEvent(uint16_t offset_and_wrap, uint16_t flags) {
    Put(layout_.driver, Le16(offset_and_wrap));
    Put(layout_.driver + 2, Le16(flags));
  }
  [[nodiscard]] uint16_t device_event_offset() const { return Get<Le16>(layout_.device); }
  [[nodiscard]] uint16_t device_event_flags() const { return Get<Le16>(layout_.device + 2); }

 private:
  [[nodiscard]] GuestAddress FlagsOf(uint32_t index) const {
    return layout_.descriptors + uint64_t{index} * kDescriptorSize + 14;
  }
  template <typename T>
  void Put(GuestAddress address, const T& value) {
    CHECK(memory_.WriteObject(address, value).ok());
  }
  template <typename T>
  [[nodiscard]] T Get(GuestAddress address) const {
    return memory_.ReadObject<T>(address).value();
  }

  const GuestMemory memory_;
  const QueueLayout layout_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_TESTING_RAW_PACKED_RING_H_
