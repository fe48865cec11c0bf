// What a correct driver may do: negotiate less, cut its buffers as it likes, use queues of any size
// and any number of times, stop and start them.

#include <algorithm>
#include <map>
#include <numeric>

#include "base/bits.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/conformance.h"

namespace touchstone {
namespace {

constexpr uint64_t kAllRingFeatures = kVirtioIndirectDescriptors | kVirtioEventIndex |
                                      kVirtioPackedRing | kVirtioVersion1 | kVirtioRingReset;

size_t DescriptorsOf(const TestRequest& request) {
  return request.readable.size() + request.writable.size();
}

uint64_t BytesOf(const TestRequest& request) {
  uint64_t sum = std::accumulate(request.writable.begin(), request.writable.end(), uint64_t{0});
  for (const auto& bytes : request.readable) sum += bytes.size();
  return sum;
}

// The same bytes in other buffers: the first of each kind one byte long.
TestRequest CutAnew(TestRequest request) {
  std::vector<std::vector<uint8_t>> readable;
  for (const std::vector<uint8_t>& bytes : request.readable) {
    if (!bytes.empty()) readable.push_back({bytes[0]});
    if (bytes.size() > 1) readable.emplace_back(bytes.begin() + 1, bytes.end());
  }
  std::vector<uint32_t> writable;
  for (const uint32_t size : request.writable) {
    if (size > 0) writable.push_back(1);
    if (size > 1) writable.push_back(size - 1);
  }
  request.readable = std::move(readable);
  request.writable = std::move(writable);
  return request;
}

// The same bytes in one buffer of each kind.
TestRequest Joined(TestRequest request) {
  std::vector<uint8_t> bytes;
  for (const auto& part : request.readable) bytes.insert(bytes.end(), part.begin(), part.end());
  request.readable.clear();
  if (!bytes.empty()) request.readable.push_back(std::move(bytes));
  const uint32_t room = std::accumulate(request.writable.begin(), request.writable.end(), 0u);
  request.writable.clear();
  if (room > 0) request.writable.push_back(room);
  return request;
}

std::vector<uint32_t> SplitSizes(uint32_t max) {
  std::vector<uint32_t> sizes;
  for (uint32_t size = 1; size <= max; size *= 2) sizes.push_back(size);
  return sizes;
}

// Virtio 1.2, 2.8.10.1: any size will do for a packed ring.
std::vector<uint32_t> PackedSizes(uint32_t max) {
  std::vector<uint32_t> sizes;
  for (uint32_t size = 1; size <= std::min(max, 12u); ++size) sizes.push_back(size);
  for (uint32_t size = 16; size <= max; size *= 2) {
    sizes.push_back(size - 1);
    sizes.push_back(size);
    if (size < max) sizes.push_back(size + 1);
  }
  sizes.push_back(max);
  return sizes;
}

}  // namespace

TEST_P(VirtioConformance, AnswersEveryRequest) {
  guest_->Start();
  for (const TestRequest& request : Requests()) {
    SCOPED_TRACE(request.name);
    EXPECT_TRUE(Answers(request));
    EXPECT_TRUE(Answers(request));
  }
}

TEST_P(VirtioConformance, AnswersEveryRequestAfterARestart) {
  guest_->Start();
  for (const TestRequest& request : Requests()) {
    SCOPED_TRACE(request.name);
    guest_->Restart();
    EXPECT_TRUE(Answers(request));
  }
}

// Virtio 1.2, 2.7.5.3: a table counts as one descriptor of the ring.
TEST_P(VirtioConformance, AnswersIndirectRequests) {
  if ((guest_->features() & kVirtioIndirectDescriptors) == 0) GTEST_SKIP() << "not negotiated";
  guest_->Start();
  for (const TestRequest& request : Requests()) {
    SCOPED_TRACE(request.name);
    EXPECT_TRUE(Answers(request, true));
  }
}

// Virtio 1.2, 2.7.4.1: the device MUST NOT make assumptions about the arrangement of descriptors.
TEST_P(VirtioConformance, FramingDoesNotMatter) {
  guest_->Start();
  for (const TestRequest& request : Requests()) {
    SCOPED_TRACE(request.name);
    EXPECT_TRUE(Answers(CutAnew(request)));
    EXPECT_TRUE(Answers(Joined(request)));
  }
}

TEST_P(VirtioConformance, AnyOfferedFeatureMayBeLeftOut) {
  const uint64_t own = host_->features() & ~kAllRingFeatures;
  for (uint32_t bit = 0; bit < 64; ++bit) {
    if ((own & Bit<uint64_t>(bit)) == 0) continue;
    SCOPED_TRACE(bit);
    Make({.without = Bit<uint64_t>(bit)});
    guest_->Start();
    EXPECT_TRUE(AnswersFirst());
  }
  Make({.without = own});
  guest_->Start();

  for (const TestRequest& request : Requests()) {
    SCOPED_TRACE(request.name);
    EXPECT_TRUE(Answers(request));
  }
}

// Virtio 1.2, 2.2.2: the device MUST NOT accept a feature that it did not offer.
TEST_P(VirtioConformance, UnofferedFeaturesAreRefused) {
  const uint64_t offered = host_->features();
  for (uint32_t bit = 0; bit < 64; ++bit) {
    if ((offered & Bit<uint64_t>(bit)) != 0) continue;
    SCOPED_TRACE(bit);
    EXPECT_FALSE(host_->Negotiate(kVirtioVersion1 | Bit<uint64_t>(bit)));
    host_->Reset();
  }
  guest_->Start();

  EXPECT_TRUE(AnswersFirst());
}

TEST_P(VirtioConformance, EveryQueueSizeWorks) {
  const absl::Span<const uint16_t> max_sizes = host_->max_queue_sizes();
  const uint32_t max = *std::max_element(max_sizes.begin(), max_sizes.end());
  for (const uint32_t size : packed() ? PackedSizes(max) : SplitSizes(max)) {
    SCOPED_TRACE(size);
    Make({.queue_size = size});
    guest_->Start();
    for (const TestRequest& request : Requests()) {
      SCOPED_TRACE(request.name);
      if (DescriptorsOf(request) <= guest_->queue(request.queue).room()) {
        EXPECT_TRUE(Answers(request));
      }
    }
  }
}

// More than a turn of the loop serves, where the queue is that long.
TEST_P(VirtioConformance, AnswersAFullQueue) {
  guest_->Start();
  const TestRequest& request = FirstRequest();
  DriverQueue& queue = guest_->queue(request.queue);
  const uint64_t fits = guest_->RangeOf(0).size / 2 / (BytesOf(request) + 64);
  uint32_t sent = 0;
  for (; sent < fits && queue.room() >= DescriptorsOf(request); ++sent) Send(request);
  for (uint32_t i = 0; i < sent; ++i) Work(request);
  uint32_t answered = 0;
  while (const std::optional<DriverQueue::Used> used = queue.PollUsed()) {
    EXPECT_TRUE(request.is_answer(*used));
    ++answered;
  }

  EXPECT_GT(sent, 0u);
  EXPECT_EQ(answered, sent);
}

// The free-running indices of a split ring wrap at 65536; a packed ring changes laps.
TEST_P(VirtioConformance, IndicesWrap) {
  Make({.queue_size = 32});
  guest_->Start();
  const TestRequest& request = FirstRequest();
  DriverQueue& queue = guest_->queue(request.queue);
  const uint32_t batch = queue.room() / static_cast<uint32_t>(DescriptorsOf(request));
  for (uint32_t done = 0; done < 0x10000 + 100; done += batch) {
    for (uint32_t i = 0; i < batch; ++i) Send(request);
    guest_->Kick(request.queue);
    loop_->RunReady();
    for (uint32_t i = 0; i < batch; ++i) HostDoes(request);
    loop_->RunReady();
    for (uint32_t i = 0; i < batch; ++i) {
      const std::optional<DriverQueue::Used> used = queue.PollUsed();
      ASSERT_TRUE(used.has_value() && request.is_answer(*used)) << done + i;
    }
  }
}

TEST_P(VirtioConformance, InterruptsWhenTheDriverWantsThem) {
  for (const TestRequest& request : Requests()) {
    SCOPED_TRACE(request.name);
    guest_->Restart();
    const auto signals = [&] { return guest_->interrupt().queue_signals(request.queue); };
    const int before = signals();
    guest_->queue(request.queue).EnableSignals(true);
    EXPECT_TRUE(Answers(request));
    const int wanted = signals();
    guest_->queue(request.queue).EnableSignals(false);
    EXPECT_TRUE(Answers(request));

    EXPECT_GT(wanted, before);
    EXPECT_EQ(signals(), wanted);
  }
}

TEST_P(VirtioConformance, KicksWithoutRequestsAreHarmless) {
  for (uint16_t i = 0; i < queue_count(); ++i) host_->Kick(i);
  Turn();
  guest_->Start();
  for (uint16_t i = 0; i < queue_count(); ++i) host_->Kick(i);
  Turn();

  EXPECT_TRUE(AnswersFirst());
}

TEST_P(VirtioConformance, HostEventsWithoutADriverAreHarmless) {
  for (const TestRequest& request : Requests()) HostDoes(request);
  Turn();
  guest_->Start();

  EXPECT_TRUE(AnswersFirst());
}

// Where the host cannot say where the queue was, as after a queue reset, it starts over.
TEST_P(VirtioConformance, QueuesStopAndStart) {
  guest_->Start();
  for (const TestRequest& request : Requests()) {
    SCOPED_TRACE(request.name);
    EXPECT_TRUE(Answers(request));
    guest_->RestartQueue(request.queue);
    EXPECT_TRUE(Answers(request));
  }
}

TEST_P(VirtioConformance, StoppingFinishesWhatIsInFlight) {
  if (!host_->keeps_positions()) GTEST_SKIP() << "the host does not tell positions";
  guest_->Start();
  for (const TestRequest& request : Requests()) {
    SCOPED_TRACE(request.name);
    Send(request);
    guest_->Kick(request.queue);
    loop_->RunReady();
    const std::optional<QueuePosition> position = host_->StopQueue(request.queue);
    ASSERT_TRUE(position.has_value());
    EXPECT_EQ(position->available, position->used);
    EXPECT_EQ(position->available_wrap, position->used_wrap);
    guest_->StartQueue(request.queue, *position);
    Work(request);
    EXPECT_TRUE(guest_->queue(request.queue).PollUsed().has_value());
    EXPECT_FALSE(guest_->queue(request.queue).PollUsed().has_value());
  }
}

TEST_P(VirtioConformance, QueuesThatDoNotRunDoNotStop) {
  for (uint16_t i = 0; i < queue_count(); ++i) {
    EXPECT_FALSE(device().StopQueue(i).ok());
  }
  EXPECT_FALSE(device().StopQueue(0xFFFF).ok());
}

}  // namespace touchstone
