// A hostile driver against VirtQueue: both kinds of ring, memory written between any two steps of
// the device.
//
// Input: features 1, size 1, where the areas are 3, position 4; then operations: an opcode byte,
// then its operands. What follows byte 256 is not read: many short ones find more. The memory of a
// split or packed ring of the default place is at 0, buffers and tables anywhere in 64 KiB.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "devices/virtio/core/virt_queue.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/raw_packed_ring.h"
#include "devices/virtio/testing/raw_split_ring.h"
#include "fuzz/support/fuzz_input.h"
#include "fuzz/support/program_memory.h"

namespace touchstone {
namespace {

constexpr uint64_t kMemorySize = 0x10000;
constexpr size_t kMaxBytes = 256;

class Session {
 public:
  explicit Session(FuzzInput input) : input_(input.Bytes(kMaxBytes)), memory_(Memory()) {
    const uint8_t features = input_.U8();
    features_ = kVirtioVersion1 | (features & 1 ? kVirtioPackedRing : 0) |
                (features & 2 ? kVirtioEventIndex : 0) |
                (features & 4 ? kVirtioIndirectDescriptors : 0);
    const uint8_t size = input_.U8();
    layout_ = packed() ? RawPackedRing::LayoutAt(GuestAddress{0}, size)
                       : RawSplitRing::LayoutAt(GuestAddress{0}, size);
    for (GuestAddress* area : {&layout_.descriptors, &layout_.driver, &layout_.device}) {
      if (const uint8_t shift = input_.U8(); shift != 0)
        *area = *area + 512 * uint64_t{shift} + shift % 4;
    }
    const uint32_t position = input_.U32();
    position_ = {.available = static_cast<uint16_t>(position & 0x7FFF),
                 .used = static_cast<uint16_t>(position >> 16 & 0x7FFF),
                 .available_wrap = (position & 0x8000) == 0,
                 .used_wrap = (position >> 31) == 0};
  }

  void Run() {
    Make();
    while (queue_.has_value() && !input_.empty()) Step(input_.U8());
  }

 private:
  // Mapped once; what an input left there is wiped before the next.
  static const GuestMemory& Memory() {
    static const GuestMemory& memory = *new GuestMemory(
        GuestMemory::Create({{GuestAddress{0}, kMemorySize}}, {.track_dirty = true}).value());
    WipeTouched(memory);
    return memory;
  }
  [[nodiscard]] bool packed() const { return (features_ & kVirtioPackedRing) != 0; }

  void Make() {
    queue_.reset();
    absl::StatusOr<VirtQueue> queue = VirtQueue::Create(
        memory_, {.layout = layout_, .features = features_, .position = position_});
    if (queue.ok()) queue_.emplace(*std::move(queue));
  }

  void Step(uint8_t opcode) {
    switch (opcode % 12) {
      case 0:
        Poke(GuestAddress{input_.U16()}, input_.Bytes(input_.U8() % 64));
        break;
      case 1:
        SetDescriptor(input_.U8());
        break;
      case 2:  // The driver's index goes on, or anywhere.
        index_ = opcode < 128 ? static_cast<uint16_t>(index_ + 1) : input_.U16();
        Poke(layout_.driver + 2,
             {{static_cast<uint8_t>(index_), static_cast<uint8_t>(index_ >> 8)}});
        break;
      case 3:
        Pop();
        break;
      case 4:
        if (!chains_.empty()) Serve(Pick());
        break;
      case 5:  // Goes back empty.
        if (!chains_.empty()) static_cast<void>(Pick());
        break;
      case 6:
        static_cast<void>(queue_->EnableKicks());
        break;
      case 7:
        queue_->DisableKicks();
        break;
      case 8:
        static_cast<void>(queue_->NeedsSignal());
        break;
      case 9:  // Stopped with everything back, started again.
        chains_.clear();
        CHECK(queue_->in_flight() == 0);
        position_ = queue_->position();
        Make();
        break;
      case 10:  // Reset with chains in flight.
        position_ = {};
        index_ = 0;
        Make();
        break;
      case 11:
        PopAll();
        break;
    }
    if (queue_.has_value()) CheckInvariants();
  }

  void Poke(GuestAddress address, absl::Span<const uint8_t> bytes) {
    memory_.Write(address, bytes).IgnoreError();
  }

  void SetDescriptor(uint8_t index) {
    const GuestAddress at = layout_.descriptors + uint64_t{index} * kDescriptorSize;
    const uint64_t address = input_.U16();
    const uint32_t length = input_.U16();
    const uint16_t flags = input_.U16();
    const uint16_t last = input_.U16();
    if (packed()) {
      memory_.WriteObject(at, PackedDescriptor{address, length, last, flags}).IgnoreError();
    } else {
      memory_.WriteObject(at, SplitDescriptor{address, length, flags, last}).IgnoreError();
    }
  }

  bool Pop() {
    std::optional<ReadableChain> chain = queue_->Pop();
    if (!chain.has_value()) return false;
    CHECK(chain->readable() + chain->writable() <= uint64_t{1} << 32);
    chains_.push_back(*std::move(chain));
    return true;
  }

  void PopAll() {
    for (uint32_t i = 0; Pop(); ++i) CHECK(i <= layout_.size);
  }

  ReadableChain Pick() {
    const size_t index = input_.U8() % chains_.size();
    ReadableChain chain = std::move(chains_[index]);
    chains_.erase(chains_.begin() + static_cast<ptrdiff_t>(index));
    return chain;
  }

  void Serve(ReadableChain chain) {
    const uint64_t readable = chain.readable();
    const uint64_t writable = chain.writable();
    std::vector<uint8_t> bytes(input_.U8());
    const bool read = chain.Read(absl::MakeSpan(bytes)).ok();
    CHECK(chain.readable() == (read ? readable - bytes.size() : readable));
    const uint8_t how = input_.U8();
    if ((how & 1) != 0) static_cast<void>(chain.Skip(how));
    if ((how & 2) != 0) static_cast<void>(chain.Slices(chain.readable()));
    WritableChain answer = std::move(chain).IntoWritable();
    CHECK(answer.writable() == writable);
    if ((how & 4) != 0) static_cast<void>(answer.Write(bytes));
    if ((how & 8) != 0) static_cast<void>(answer.Slices(answer.writable()));
    if ((how & 16) != 0) static_cast<void>(answer.Commit(how));
    if ((how & 32) != 0) static_cast<void>(answer.Skip(how));
    if ((how & 64) != 0) static_cast<void>(answer.Write(bytes));
    CHECK(answer.written() + answer.writable() <= writable);
    if ((how & 128) != 0) std::move(answer).Complete();
  }

  void CheckInvariants() {
    const QueueStats& stats = queue_->stats();
    CHECK(queue_->in_flight() <= layout_.size);
    CHECK(stats.popped == stats.completed + queue_->in_flight());
    CHECK(stats.dropped <= stats.completed);
    CHECK(queue_->broken() == !queue_->error().empty());
  }

  FuzzInput input_;
  const GuestMemory& memory_;
  uint64_t features_ = 0;
  QueueLayout layout_;
  QueuePosition position_;
  uint16_t index_ = 0;
  std::vector<ReadableChain> chains_;
  std::optional<VirtQueue> queue_;
};

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  touchstone::Session(touchstone::FuzzInput(data, size)).Run();
  return 0;
}
