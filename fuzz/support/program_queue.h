// The driver's side of one virtqueue in a fuzz program: writes chains that are well-formed and
// anything else, and watches what the device returns.
//
// As long as only well-formed chains were sent, whatever comes back was sent, once, and claims no
// more bytes than there was room for. After anything hostile the ring is not trusted any more, and
// nothing is checked. Thread-compatible.

#ifndef TOUCHSTONE_FUZZ_SUPPORT_PROGRAM_QUEUE_H_
#define TOUCHSTONE_FUZZ_SUPPORT_PROGRAM_QUEUE_H_

#include <array>
#include <cstdint>

#include "absl/container/inlined_vector.h"
#include "base/memory/guest_memory.h"
#include "devices/virtio/core/queue_layout.h"
#include "fuzz/support/fuzz_input.h"
#include "fuzz/support/program_memory.h"

namespace touchstone {

class ProgramQueue {
 public:
  static constexpr uint32_t kMaxSize = 64;

  struct Buffer {
    uint64_t address = 0;
    uint32_t size = 0;
    bool writable = false;
  };
  using Chain = absl::InlinedVector<Buffer, 8>;

  // REQUIRES: size <= kMaxSize; the ring's memory is 0.
  ProgramQueue(const GuestMemory& memory, GuestAddress ring, uint32_t size, uint64_t features);

  [[nodiscard]] const QueueLayout& layout() const { return layout_; }

  // Makes the chain available, in a table of `memory` if it is to be indirect and that was
  // negotiated. Nothing happens where the ring has no room; a chain whose buffers are in no
  // sensible order, or empty, is hostile.
  void Send(ProgramMemory& memory, const Chain& chain, bool indirect);

  // --- Hostile.
  void PutDescriptor(FuzzInput& input);
  void PutAvailable(FuzzInput& input);
  void Suppress(uint16_t value, uint8_t flags);
  void Distrust() { trusted_ = false; }

  // --- CHECKs.
  // What the device returned since the last time.
  void CheckUsed();
  // That a queue which stopped here has nothing in flight.
  void CheckStopped(const QueuePosition& position) const;

 private:
  struct Sent {
    uint8_t entries = 0;  // Of the ring; 0: not in flight.
    uint64_t room = 0;
  };

  void SendSplit(const Chain& chain, uint16_t id, uint16_t table_flag);
  void SendPacked(const Chain& chain, uint16_t id, uint16_t table_flag);
  GuestAddress WriteTable(ProgramMemory& memory, const Chain& chain);
  bool NextUsed(uint32_t& id, uint32_t& length);
  template <typename T>
  void Put(GuestAddress at, const T& value) {
    memory_->WriteObject(at, value).IgnoreError();
  }
  template <typename T>
  [[nodiscard]] T Get(GuestAddress at) const {
    return memory_->ReadObject<T>(at).value();
  }

  const GuestMemory* memory_;
  QueueLayout layout_;
  bool packed_;
  bool indirect_;
  bool trusted_ = true;
  bool available_wrap_ = true;
  bool used_wrap_ = true;
  uint16_t next_available_ = 0;
  uint16_t next_used_ = 0;
  uint32_t in_flight_ = 0;  // Entries of the ring.
  std::array<Sent, kMaxSize> sent_ = {};
};

}  // namespace touchstone

#endif  // TOUCHSTONE_FUZZ_SUPPORT_PROGRAM_QUEUE_H_
