// A split ring as a driver, or an attacker, writes it into guest memory: any bytes at any place.
//
//   RawSplitRing ring(memory, GuestAddress{0x1000}, 8);
//   ring.SetDescriptor(0, {.address = 0x8000, .length = 16, .flags = kDescriptorNext, .next = 0});
//   ring.MakeAvailable(0);
//
// Layout: devices/virtio/core/queue_layout.h. Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_TESTING_RAW_SPLIT_RING_H_
#define TOUCHSTONE_DEVICES_VIRTIO_TESTING_RAW_SPLIT_RING_H_

#include <atomic>
#include <cstdint>
#include <utility>

#include "base/endian.h"
#include "base/log.h"
#include "base/memory/guest_memory.h"
#include "devices/virtio/core/queue_layout.h"

namespace touchstone {

class RawSplitRing {
 public:
  struct Used {
    uint32_t id = 0;
    uint32_t length = 0;

    friend bool operator==(const Used&, const Used&) = default;
  };

  // The three areas follow each other from `base`, a multiple of 16. REQUIRES: they are guest
  // memory, of one region.
  RawSplitRing(GuestMemory memory, GuestAddress base, uint32_t size)
      : memory_(std::move(memory)), layout_(LayoutAt(base, size)) {}

  static QueueLayout LayoutAt(GuestAddress base, uint32_t size) {
    const uint64_t driver = uint64_t{size} * kDescriptorSize;
    const uint64_t device = (driver + 6 + 2 * uint64_t{size} + 3) & ~uint64_t{3};
    return {.size = size, .descriptors = base, .driver = base + driver, .device = base + device};
  }
  // Enough for both kinds of ring.
  static uint64_t BytesFor(uint32_t size) { return 26 * uint64_t{size} + 64; }

  [[nodiscard]] const QueueLayout& layout() const { return layout_; }

  void SetDescriptor(uint32_t index, const SplitDescriptor& descriptor) {
    Put(layout_.descriptors + uint64_t{index} * kDescriptorSize, descriptor);
  }

  // Puts `head` into the next entry of the driver area, and publishes it.
  void MakeAvailable(uint16_t head) {
    Stage(head);
    Publish();
  }
  // The same in two steps.
  void Stage(uint16_t head) {
    Put(layout_.driver + 4 + 2 * (uint64_t{available_index_++} & (layout_.size - 1)), Le16(head));
  }
  void Publish() { SetAvailableIndex(available_index_); }
  void SetAvailableIndex(uint16_t index) {
    available_index_ = index;
    GuestAtomic<uint16_t>::Create(memory_, layout_.driver + 2)
        .value()
        .Store(index, std::memory_order_release);
  }
  void SetAvailableFlags(uint16_t flags) { Put(layout_.driver, Le16(flags)); }
  void SetUsedEvent(uint16_t index) {
    Put(layout_.driver + 4 + 2 * uint64_t{layout_.size}, Le16(index));
  }

  [[nodiscard]] uint16_t available_index() const { return available_index_; }
  [[nodiscard]] uint16_t used_flags() const { return Get<Le16>(layout_.device); }
  // What was published before the index is visible to the caller (Virtio 1.2, 2.7.14).
  [[nodiscard]] uint16_t used_index() const {
    return GuestAtomic<uint16_t>::Create(memory_, layout_.device + 2)
        .value()
        .Load(std::memory_order_acquire);
  }
  [[nodiscard]] uint16_t available_event() const {
    return Get<Le16>(layout_.device + 4 + 8 * uint64_t{layout_.size});
  }
  // The element that a used index of `index` published next.
  [[nodiscard]] Used used(uint16_t index) const {
    const GuestAddress at = layout_.device + 4 + 8 * uint64_t{index & (layout_.size - 1)};
    return {.id = Get<Le32>(at), .length = Get<Le32>(at + 4)};
  }

 private:
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
  uint16_t available_index_ = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_TESTING_RAW_SPLIT_RING_H_
