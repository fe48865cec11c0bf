#include "fuzz/support/virtio_program.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/bits.h"
#include "base/log.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/direct_host.h"
#include "fuzz/support/program_memory.h"
#include "fuzz/support/program_queue.h"

namespace touchstone {
namespace {

constexpr uint64_t kRingFeatures =
    kVirtioIndirectDescriptors | kVirtioEventIndex | kVirtioPackedRing;
constexpr uint64_t kCommonFeatures = kRingFeatures | kVirtioVersion1 | kVirtioRingReset;
constexpr uint16_t kMaxQueues = 16;
constexpr size_t kMaxBytes = 512;
// What the operations of a program cost together, 1 being about a microsecond: many short programs
// find more than a few long ones, and what comes of a ring's end comes soon in a ring of one or two
// entries.
constexpr uint64_t kMaxCost = 32;
static_assert(kMaxCost <= ProgramMemory::kMaxTables);
// Of buffers, which are copied or sorted.
constexpr uint64_t kBytesPerCost = 1024;

constexpr uint64_t CostOf(uint8_t operation) {
  switch (operation) {
    case 0:
      return 2;
    case 8:
    case 9:
      return 4;
    case 10:
      return 8;
    default:
      return 1;
  }
}

class Program {
 public:
  Program(const DeviceKit& kit, FuzzInput input, const VirtioProgramOptions& options)
      : kit_(kit),
        input_(input.Bytes(kMaxBytes)),
        first_(FuzzInput(input_).U8()),
        options_(options) {
    MakeDevice();
  }

  void Run() {
    Start();
    while (cost_ < kMaxCost && !input_.empty()) Step(input_.U8());
    Finish();
  }

 private:
  void MakeDevice() {
    host_.reset();
    subject_ = kit_.make(loop_);
    if (options_.make_host) {
      host_ = options_.make_host(subject_->device(), memory_.memory(), first_);
    } else {
      host_ = std::make_unique<DirectHost>(subject_->device(), memory_.memory(), LentKicks());
    }
    queue_count_ =
        static_cast<uint16_t>(std::min<size_t>(host_->max_queue_sizes().size(), kMaxQueues));
  }

  // Made once: an eventfd costs two system calls.
  static const DirectHost::Kicks& LentKicks() {
    static const DirectHost::Kicks& kicks = *new DirectHost::Kicks([] {
      DirectHost::Kicks made;
      for (int i = 0; i < kMaxQueues; ++i) {
        made.push_back(std::make_shared<const EventFd>(EventFd::Create().value()));
      }
      return made;
    }());
    return kicks;
  }

  // Negotiates as the program says, and starts all queues.
  void Start() {
    const uint8_t ring = input_.U8();
    const uint16_t left_out = input_.U16();
    size_code_ = input_.U8();
    const uint64_t offered = host_->features();
    features_ = offered & (kVirtioVersion1 | kVirtioRingReset);
    if ((ring & 1) != 0) features_ |= offered & kVirtioEventIndex;
    if ((ring & 2) != 0) features_ |= offered & kVirtioIndirectDescriptors;
    if ((ring & 4) != 0) features_ |= offered & kVirtioPackedRing;
    uint32_t number = 0;
    for (uint64_t own = offered & ~kCommonFeatures; own != 0; own &= own - 1) {
      const uint64_t bit = own & ~(own - 1);
      if (number >= 16 || (left_out >> number & 1) == 0) features_ |= bit;
      ++number;
    }
    Begin();
  }

  void Begin() {
    CHECK(host_->Negotiate(features_));
    for (std::optional<ProgramQueue>& queue : queues_) queue.reset();
    hostile_ = false;
    if (!host_->keeps_positions()) {
      for (uint16_t i = 0; i < queue_count_; ++i) static_cast<void>(Queue(i));
    }
    CHECK(host_->DriverReady());
  }

  // The queue, which starts when it is used first where the host allows that.
  ProgramQueue& Queue(uint16_t index) {
    std::optional<ProgramQueue>& queue = queues_[index];
    if (!queue.has_value()) {
      const uint32_t max = host_->max_queue_sizes()[index];
      queue.emplace(memory_.memory(), memory_.RingOf(index), QueueSize(max), features_);
      if (hostile_) queue->Distrust();
      CHECK(host_->SetUpQueue(index, queue->layout(), {}));
    }
    return *queue;
  }

  [[nodiscard]] uint32_t QueueSize(uint32_t max) const {
    if ((features_ & kVirtioPackedRing) != 0) return std::min(max, 1u + size_code_ % 64);
    uint32_t size = 1u << (size_code_ % 7);
    while (size > max) size /= 2;
    return size;
  }

  void Step(uint8_t code) {
    const uint8_t operation = code & 15;
    const uint8_t arg = code >> 4;
    const uint16_t queue = arg % queue_count_;
    cost_ += CostOf(operation);
    switch (operation) {
      case 0:
        return SendRequest(arg);
      case 1:
        return SendChain(queue);
      case 2:
        Queue(queue).PutDescriptor(input_);
        return Distrust();
      case 3:
        return Queue(queue).PutAvailable(input_);
      case 4:
        static_cast<void>(Queue(queue));
        return host_->Kick(queue);
      case 5:
        return Turn();
      case 6:
        return ReadConfig();
      case 7: {
        const uint8_t offset = input_.U8();
        return host_->WriteConfig(offset, input_.Bytes(arg + 1u));
      }
      case 8:
        return RestartQueue(queue);
      case 9:
        host_->Reset();
        return Start();
      case 10:
        return State(arg);
      case 11:
        loop_.Advance(absl::Nanoseconds(int64_t{1} << (input_.U8() % 36)));
        return CheckUsed();
      case 12:
        return subject_->HostEvent(arg, input_.Bytes(input_.U8()));
      case 13: {
        const GuestAddress at{4 * uint64_t{input_.U16()}};
        memory_.memory().Write(at, input_.Bytes(arg + 1u)).IgnoreError();
        return Distrust();
      }
      case 14: {
        const uint16_t value = input_.U16();
        return Queue(queue).Suppress(value, input_.U8());
      }
      default:
        if (options_.extra == nullptr) return Turn();
        options_.extra(*host_, arg, input_);
        return Distrust();
    }
  }

  void Turn() {
    loop_.RunReady();
    CheckUsed();
  }

  void CheckUsed() {
    for (std::optional<ProgramQueue>& queue : queues_) {
      if (queue.has_value()) queue->CheckUsed();
    }
  }
  // The device may write over any ring from now on.
  void Distrust() {
    hostile_ = true;
    for (std::optional<ProgramQueue>& queue : queues_) {
      if (queue.has_value()) queue->Distrust();
    }
  }

  // --- Chains.

  void SendRequest(uint8_t arg) {
    if (kit_.requests.empty()) return;
    const TestRequest& request = kit_.requests[input_.U8() % kit_.requests.size()];
    if (request.queue >= queue_count_) return;
    ProgramQueue::Chain chain;
    size_t readable = 0;
    for (const std::vector<uint8_t>& bytes : request.readable) {
      const GuestAddress at = memory_.Place(bytes.size());
      memory_.memory().Write(at, bytes).IgnoreError();
      chain.push_back({Raw(at), static_cast<uint32_t>(bytes.size()), false});
      readable += bytes.size();
    }
    for (int patches = input_.U8() % 8; patches > 0; --patches) {
      const uint8_t at = input_.U8();
      const uint8_t value = input_.U8();
      if (at < readable) Patch(chain, at, value);
    }
    for (const uint32_t size : request.writable) {
      chain.push_back({Raw(memory_.Place(size)), size, true});
    }
    Queue(request.queue).Send(memory_, chain, (arg & 8) != 0);
    if ((arg & 1) != 0) return;
    host_->Kick(request.queue);
    loop_.RunReady();
    for (const HostEvent& event : request.events) {
      subject_->HostEvent(event.kind, event.bytes);
      loop_.RunReady();
    }
    CheckUsed();
  }

  // Byte `at` of what is readable.
  void Patch(const ProgramQueue::Chain& chain, size_t at, uint8_t value) {
    for (const ProgramQueue::Buffer& buffer : chain) {
      if (at < buffer.size) {
        memory_.memory().WriteObject(GuestAddress{buffer.address} + at, value).IgnoreError();
        return;
      }
      at -= buffer.size;
    }
  }

  void SendChain(uint16_t queue) {
    const uint8_t count = input_.U8();
    ProgramQueue::Chain chain;
    for (int i = 0; i <= count % 8; ++i) {
      chain.push_back(TakeBuffer(queue));
      // More than there is costs nothing: it is refused.
      const uint64_t size = chain.back().size;
      if (size < ProgramMemory::kSize) cost_ += size / kBytesPerCost;
    }
    Queue(queue).Send(memory_, chain, count >= 128);
  }

  // A byte: bit 7 writable, bit 6 anywhere (address 4 follows, of which the top byte is the top one
  // of 64 bits), bits 0 to 5 the size: itself below 48, else 2^(it - 40). The bytes of a readable
  // buffer up to 48 follow.
  ProgramQueue::Buffer TakeBuffer(uint16_t queue) {
    const uint8_t code = input_.U8();
    const uint32_t size = (code & 63) < 48 ? code & 63 : 1u << ((code & 63) - 40);
    const bool writable = (code & 128) != 0;
    if ((code & 64) != 0) {
      const uint64_t address = input_.U32();
      Queue(queue).Distrust();
      if (writable) Distrust();
      return {(address & 0xFF'FFFF) | (address >> 24) << 56, size, writable};
    }
    const GuestAddress at = memory_.Place(size);
    if (!writable && size < 48) memory_.memory().Write(at, input_.Bytes(size)).IgnoreError();
    return {Raw(at), size, writable};
  }

  // --- The rest.

  void ReadConfig() {
    const uint16_t offset = input_.U16();
    std::array<uint8_t, 256> data;
    const absl::Span<uint8_t> part = absl::MakeSpan(data).first(input_.U8());
    // The far end of the address space too.
    host_->ReadConfig(offset >= 0x8000 ? 0xFFFF'0000u + offset : offset, part);
  }

  void RestartQueue(uint16_t index) {
    ProgramQueue& queue = Queue(index);
    const std::optional<QueuePosition> position = host_->StopQueue(index);
    if (!position.has_value()) return;
    if (host_->keeps_positions()) {
      queue.CheckStopped(*position);
      // A hostile ring may have led anywhere, but a position comes back as it was given.
      CHECK(host_->SetUpQueue(index, queue.layout(), *position));
      return;
    }
    queue = ProgramQueue(memory_.memory(), memory_.RingOf(index), queue.layout().size, features_);
    if (hostile_) queue.Distrust();
    static_cast<void>(host_->SetUpQueue(index, queue.layout(), {}));
  }

  void StopAll() {
    for (uint16_t i = 0; i < queue_count_; ++i) {
      if (!queues_[i].has_value()) continue;
      const std::optional<QueuePosition> position = host_->StopQueue(i);
      if (position.has_value() && host_->keeps_positions()) queues_[i]->CheckStopped(*position);
    }
  }

  void State(uint8_t arg) {
    StopAll();
    // Where the driver may have kept a queue from stopping.
    if (!host_->keeps_positions()) host_->Reset();
    VirtioDevice& device = subject_->device();
    const absl::StatusOr<std::string> state = device.Save();
    CHECK(state.ok());
    if ((arg & 1) != 0) {
      const absl::Span<const uint8_t> bytes = input_.Bytes(input_.U8());
      const std::string other(bytes.begin(), bytes.end());
      if (device.Restore(other).ok()) {
        CHECK(device.Save().ok());
      } else {
        CHECK(*device.Save() == *state);
      }
      host_->Reset();
    } else {
      MakeDevice();
      CHECK(subject_->device().Restore(*state).ok());
      CHECK(*subject_->device().Save() == *state);
    }
    Begin();
  }

  void Finish() {
    for (uint16_t i = 0; i < queue_count_; ++i) {
      if (queues_[i].has_value()) host_->Kick(i);
    }
    Turn();
    if (options_.at_end != nullptr) options_.at_end(*host_);
    StopAll();
    CheckUsed();
    host_->Reset();
    loop_.RunReady();
  }

  const DeviceKit& kit_;
  FuzzInput input_;
  const uint8_t first_;
  const VirtioProgramOptions& options_;
  ProgramMemory memory_;
  ManualLoop loop_;
  std::unique_ptr<TestDevice> subject_;
  std::unique_ptr<VirtioHost> host_;
  uint16_t queue_count_ = 0;
  uint64_t features_ = 0;
  uint8_t size_code_ = 0;
  uint64_t cost_ = 0;
  bool hostile_ = false;
  std::array<std::optional<ProgramQueue>, kMaxQueues> queues_;
};

}  // namespace

void RunVirtioProgram(const DeviceKit& kit, FuzzInput input, const VirtioProgramOptions& options) {
  Program(kit, input, options).Run();
}

}  // namespace touchstone
