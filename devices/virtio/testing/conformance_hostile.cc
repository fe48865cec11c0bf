// What a hostile or broken driver may do: a device has to live through it and to come back by a
// reset. Known escapes (KE) are published holes of other monitors.

#include <algorithm>
#include <vector>

#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/conformance.h"
#include "devices/virtio/testing/raw_packed_ring.h"
#include "devices/virtio/testing/raw_split_ring.h"

namespace touchstone {
namespace {

// A chain as it lies in the ring: descriptors from entry 0 on, of which NEXT goes on to the
// following one unless `next` says otherwise.
struct RawBuffer {
  uint64_t address = 0;
  uint32_t length = 0;
  uint16_t flags = 0;
  int next = -1;
};

struct RawChain {
  const char* name;
  std::vector<RawBuffer> buffers;
  uint16_t head = 0;
};

// Writes the chain into a queue's ring, whatever the driver did there before.
void Submit(const GuestMemory& memory, const QueueLayout& layout, bool packed,
            const RawChain& chain) {
  if (packed) {
    RawPackedRing ring(memory, layout.descriptors, layout.size);
    for (size_t i = chain.buffers.size(); i-- > 0;) {
      const RawBuffer& buffer = chain.buffers[i];
      ring.MakeAvailable(static_cast<uint32_t>(i), {buffer.address, buffer.length, 0, buffer.flags},
                         true);
    }
    return;
  }
  RawSplitRing ring(memory, layout.descriptors, layout.size);
  for (size_t i = 0; i < chain.buffers.size(); ++i) {
    const RawBuffer& buffer = chain.buffers[i];
    const size_t next = buffer.next >= 0 ? static_cast<size_t>(buffer.next) : i + 1;
    ring.SetDescriptor(static_cast<uint32_t>(i),
                       {buffer.address, buffer.length, buffer.flags, static_cast<uint16_t>(next)});
  }
  ring.MakeAvailable(chain.head);
}

constexpr uint16_t kNext = kDescriptorNext;
constexpr uint16_t kWrite = kDescriptorWrite;
constexpr uint16_t kIndirect = kDescriptorIndirect;

// Chains that break a queue of this size. `buffer` is a page of guest memory.
std::vector<RawChain> BreakingChains(uint64_t buffer, uint32_t size, bool packed) {
  std::vector<RawChain> chains = {
      {"ReadableAfterWritable", {{buffer, 16, kWrite | kNext}, {buffer, 16, 0}}},
      {"LongerThan4GiB", {{buffer, 0xFFFF'FFFF, kWrite | kNext}, {buffer, 0xFFFF'FFFF, kWrite}}},
      {"AddressWraps", {{~uint64_t{0} - 3, 16, kWrite}}},
      {"EndlessChain", std::vector<RawBuffer>(size, {buffer, 0, kNext})},  // KE-15.
      {"EmptyTable", {{buffer, 0, kIndirect}}},
      {"OddTable", {{buffer, 17, kIndirect}}},
      {"TableOutsideMemory", {{uint64_t{1} << 50, 16, kIndirect}}},
      {"TableAndNext", {{buffer, 16, kIndirect | kNext}, {buffer, 16, 0}}},
  };
  if (!packed) {
    chains.push_back({"LoopToItself", {{buffer, 16, kNext, 0}}});  // KE-15.
    chains.push_back({"IndexBeyondTheTable", {{buffer, 16, kNext, static_cast<int>(size)}}});
    chains.push_back({"HeadBeyondTheTable", {}, static_cast<uint16_t>(size)});
    chains.push_back({"HeadFarBeyondTheTable", {}, 0xFFFF});
  }
  return chains;
}

uint64_t BufferOf(const GuestDriver& guest, uint16_t queue) {
  const GuestMemory::RegionSpec range = guest.RangeOf(queue);
  return Raw(range.start) + range.size / 2;
}

// The writable buffers of a request, elsewhere.
RawChain Moved(const TestRequest& request, uint64_t readable_at, uint64_t writable_at,
               uint32_t length) {
  RawChain chain = {"Moved", {}};
  for (const std::vector<uint8_t>& bytes : request.readable) {
    chain.buffers.push_back({readable_at, static_cast<uint32_t>(bytes.size()), kNext});
  }
  for (const uint32_t size : request.writable) {
    const uint32_t length_or_size = length == 0 ? size : length;
    chain.buffers.push_back({writable_at, length_or_size, static_cast<uint16_t>(kNext | kWrite)});
  }
  if (!chain.buffers.empty()) chain.buffers.back().flags &= static_cast<uint16_t>(~kNext);
  return chain;
}

}  // namespace

// Virtio 1.2, 2.1.2: a device that cannot go on asks for a reset, and only that helps.
TEST_P(VirtioConformance, SenselessChainsBreakTheQueue) {
  for (uint16_t queue = 0; queue < queue_count(); ++queue) {
    if (!RestartToLookAt(queue)) continue;
    const uint32_t size = guest_->queue(queue).layout().size;
    for (const RawChain& chain : BreakingChains(BufferOf(*guest_, queue), size, packed())) {
      SCOPED_TRACE(testing::Message() << "queue " << queue << ", " << chain.name);
      RestartToLookAt(queue);
      Submit(guest_->memory(), guest_->queue(queue).layout(), packed(), chain);
      LookAt(queue);
      EXPECT_TRUE(host_->needs_reset());
      guest_->Restart();
      EXPECT_FALSE(host_->needs_reset());
    }
    EXPECT_TRUE(AnswersFirst());
  }
}

// KE-19: there are never more requests in flight than the queue has entries.
TEST_P(VirtioConformance, IndexFarAheadBreaksTheQueue) {
  if (packed()) GTEST_SKIP() << "a packed ring has no index";
  for (uint16_t queue = 0; queue < queue_count(); ++queue) {
    SCOPED_TRACE(queue);
    if (!RestartToLookAt(queue)) continue;
    const QueueLayout layout = guest_->queue(queue).layout();
    RawSplitRing ring(guest_->memory(), layout.descriptors, layout.size);
    ring.SetAvailableIndex(static_cast<uint16_t>(layout.size + 1));
    LookAt(queue);
    EXPECT_TRUE(host_->needs_reset());
  }
  guest_->Restart();

  EXPECT_TRUE(AnswersFirst());
}

// KE-21: the device may still work with the buffers of the first when the second comes.
TEST_P(VirtioConformance, HeadAvailableTwiceIsHarmless) {
  for (const TestRequest& request : Requests()) {
    SCOPED_TRACE(request.name);
    guest_->Restart();
    const QueueLayout layout = guest_->queue(request.queue).layout();
    const RawChain chain =
        Moved(request, BufferOf(*guest_, request.queue), BufferOf(*guest_, request.queue), 0);
    Submit(guest_->memory(), layout, packed(), chain);
    if (!packed()) {
      RawSplitRing ring(guest_->memory(), layout.descriptors, layout.size);
      for (int i = 0; i < 3; ++i) ring.MakeAvailable(0);
    }
    host_->Kick(request.queue);
    Work(request);
    host_->Kick(request.queue);
    Work(request);
    guest_->Restart();
    EXPECT_TRUE(Answers(request));
  }
}

// KE-17, KE-20, KE-26: buffers that are not, or not all, guest memory.
TEST_P(VirtioConformance, BuffersOutsideMemoryAreSurvived) {
  const GuestMemory::Region& region = host_->memory().regions().back();
  const uint64_t end = Raw(region.start) + region.size;
  for (const TestRequest& request : Requests()) {
    for (const uint64_t at : {uint64_t{0}, end - 1, end - 8, end, ~uint64_t{0} - 0xFFFF}) {
      for (const uint32_t length : {0u, 1u, 0x7FFF'FFFFu, 0xFFFF'FFFFu}) {
        SCOPED_TRACE(testing::Message() << request.name << " at " << at << ", " << length);
        guest_->Restart();
        const uint64_t buffer = BufferOf(*guest_, request.queue);
        const QueueLayout layout = guest_->queue(request.queue).layout();
        Submit(guest_->memory(), layout, packed(), Moved(request, buffer, at, length));
        host_->Kick(request.queue);
        Work(request);
        guest_->Restart();
        Submit(guest_->memory(), layout, packed(), Moved(request, at, buffer, length));
        host_->Kick(request.queue);
        Work(request);
        guest_->Restart();
        EXPECT_TRUE(AnswersFirst());
      }
    }
  }
}

// A header cut short at any byte, an answer for which there is little room or none (KE-28, KE-45).
TEST_P(VirtioConformance, ShortRequestsAreSurvived) {
  constexpr size_t kMaxCut = 128;
  guest_->Start();
  for (const TestRequest& request : Requests()) {
    SCOPED_TRACE(request.name);
    const std::vector<uint8_t> bytes =
        request.readable.empty() ? std::vector<uint8_t>() : request.readable[0];
    for (size_t cut = 0; cut <= std::min(bytes.size(), kMaxCut); ++cut) {
      for (const std::vector<uint32_t>& writable :
           std::vector<std::vector<uint32_t>>{{}, {0}, {1}, request.writable}) {
        const TestRequest cut_short = {
            .queue = request.queue,
            .readable = {std::vector<uint8_t>(bytes.begin(),
                                              bytes.begin() + static_cast<ptrdiff_t>(cut))},
            .writable = writable,
            .events = request.events};
        const uint16_t id = Send(cut_short);
        Work(cut_short);
        guest_->RestartQueue(request.queue);
        const std::optional<DriverQueue::Used> used = guest_->queue(request.queue).PollUsed();
        // Where positions are kept the chain is back by now.
        if (host_->keeps_positions()) {
          ASSERT_TRUE(used.has_value());
          EXPECT_EQ(used->id, id);
          EXPECT_LE(used->length, used->data.size());
        }
      }
    }
    guest_->Restart();
    EXPECT_TRUE(Answers(request));
  }
}

TEST_P(VirtioConformance, ZeroLengthBuffersAreSurvived) {
  for (uint16_t queue = 0; queue < queue_count(); ++queue) {
    for (const std::vector<uint16_t>& flags :
         std::vector<std::vector<uint16_t>>{{0}, {kWrite}, {kNext, 0}, {kNext, kWrite}}) {
      SCOPED_TRACE(queue);
      guest_->Restart();
      RawChain chain = {"Empty", {}};
      for (const uint16_t each : flags) chain.buffers.push_back({~uint64_t{0}, 0, each});
      Submit(guest_->memory(), guest_->queue(queue).layout(), packed(), chain);
      host_->Kick(queue);
      Turn();
      EXPECT_FALSE(host_->needs_reset());
    }
  }
  guest_->Restart();

  EXPECT_TRUE(AnswersFirst());
}

// KE-32: what the host still does for a request must not touch what the reset took away.
TEST_P(VirtioConformance, ResetInFlight) {
  for (const TestRequest& request : Requests()) {
    for (const bool seen : {false, true}) {
      SCOPED_TRACE(testing::Message() << request.name << (seen ? ", seen" : ", not seen"));
      guest_->Restart();
      Send(request);
      guest_->Kick(request.queue);
      if (seen) loop_->RunReady();
      host_->Reset();
      HostDoes(request);
      Turn();
      guest_->Start();
      EXPECT_TRUE(Answers(request));
    }
  }
}

TEST_P(VirtioConformance, DeviceGoesWithRequestsInFlight) {
  for (const TestRequest& request : Requests()) {
    SCOPED_TRACE(request.name);
    Make({});
    guest_->Start();
    Send(request);
    guest_->Kick(request.queue);
    loop_->RunReady();
  }
  Make({});
  guest_->Start();

  EXPECT_TRUE(AnswersFirst());
}

// Rings in the middle of other things: every byte of the ring's memory says the same.
TEST_P(VirtioConformance, ScribbledRingsAreSurvived) {
  for (uint16_t queue = 0; queue < queue_count(); ++queue) {
    for (const int value : {0x00, 0x01, 0x02, 0x7F, 0x80, 0xFF}) {
      guest_->Restart();
      guest_->Scribble(queue, static_cast<uint8_t>(value));
      host_->Kick(queue);
      Turn();
    }
  }
  guest_->Restart();

  EXPECT_TRUE(AnswersFirst());
}

}  // namespace touchstone
