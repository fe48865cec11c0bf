#include "bench/peers/block_client.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "devices/virtio/block/block_format.h"
#include "devices/virtio/core/virt_queue.h"
#include "devices/virtio/core/virtio_features.h"

namespace touchstone {
namespace {

constexpr absl::Duration kStalled = absl::Seconds(10);
// Turns between looks at the clock: a look costs about as much as a request.
constexpr uint32_t kTurns = 64;

absl::Status Stalled() { return absl::DeadlineExceededError("no request came back for 10 s"); }

}  // namespace

absl::StatusOr<std::unique_ptr<BlockClient>> BlockClient::Create(ScopedFd socket, uint16_t queues) {
  ASSIGN_OR_RETURN(std::unique_ptr<EpollLoop> loop, EpollLoop::Create());
  ASSIGN_OR_RETURN(
      GuestMemory memory,
      GuestMemory::Create({{GuestAddress{0}, (uint64_t{queues} + 1) * BlockClientQueue::kMemory}},
                          {.backing = GuestMemory::Backing::kMemfd}));
  std::unique_ptr<BlockClient> client(new BlockClient(std::move(loop), std::move(memory)));
  RETURN_IF_ERROR(client->SetUp(std::move(socket), queues));
  return client;
}

BlockClient::~BlockClient() {
  if (frontend_ != nullptr) frontend_->Reset();
}

absl::Status BlockClient::SetUp(ScopedFd socket, uint16_t queues) {
  ASSIGN_OR_RETURN(frontend_,
                   VhostUserFrontend::Create(std::move(socket), *loop_,
                                             {.device_id = 2,
                                              .queue_sizes = {BlockClientQueue::kRingSize},
                                              .ask_queue_count = true,
                                              .config_size = sizeof(BlockConfigSpace)}));
  if (frontend_->max_queue_sizes().size() < queues) {
    return absl::FailedPreconditionError(
        absl::StrCat("the back end has ", frontend_->max_queue_sizes().size(), " queues"));
  }
  const uint64_t features = frontend_->features() & ~kVirtioPackedRing;
  if ((features & kVirtioEventIndex) == 0) {
    return absl::FailedPreconditionError("the back end has no EVENT_IDX");
  }
  BlockConfigSpace config;
  frontend_->ReadConfig(0, absl::MakeSpan(reinterpret_cast<uint8_t*>(&config), sizeof(config)));
  RETURN_IF_ERROR(
      frontend_->Attach({.features = features, .memory = memory_, .interrupt = &interrupt_}));
  for (uint16_t index = 0; index < queues; ++index) {
    // No ring is at 0: the first piece of memory stays empty.
    const GuestAddress base = GuestAddress{(uint64_t{index} + 1) * BlockClientQueue::kMemory};
    ASSIGN_OR_RETURN(queues_.emplace_back(),
                     BlockClientQueue::Create(memory_, base, config.capacity, index));
  }
  for (uint16_t index = 0; index < queues; ++index) {
    BlockClientQueue& queue = *queues_[index];
    queue.Prepare(false, true);
    ASSIGN_OR_RETURN(VirtQueue started, VirtQueue::Create(memory_, {.layout = queue.layout(),
                                                                    .features = features,
                                                                    .kick = queue.kick()}));
    RETURN_IF_ERROR(frontend_->StartQueue(index, std::move(started)));
  }
  return absl::OkStatus();
}

uint64_t BlockClient::Turn(bool more) {
  uint64_t done = 0;
  for (const auto& queue : queues_) {
    done += queue->TakeBack([&](uint32_t slot) {
      if (more) queue->Send(slot);
    });
    queue->Publish();
  }
  return done;
}

absl::Status BlockClient::Sleep(uint64_t& calls) {
  std::vector<pollfd> wanted;
  for (const auto& queue : queues_) {
    if (!queue->AskForCall()) return absl::OkStatus();
    wanted.push_back({.fd = queue->call().fd(), .events = POLLIN, .revents = 0});
  }
  if (poll(wanted.data(), wanted.size(), static_cast<int>(absl::ToInt64Milliseconds(kStalled))) ==
      0) {
    return Stalled();
  }
  ++calls;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].revents != 0) queues_[i]->call().Drain();
  }
  return absl::OkStatus();
}

absl::StatusOr<BlockClient::Result> BlockClient::Run(const Load& load) {
  CHECK(load.depth >= 1 && load.depth <= BlockClientQueue::kMaxDepth);
  Clock& clock = SystemClock();
  Result result;
  uint64_t kicks_before = 0;
  for (const auto& queue : queues_) {
    queue->Prepare(load.write, load.wait == Wait::kEvent);
    kicks_before += queue->kicks();
  }
  const absl::Duration start = clock.Monotonic();
  absl::Duration last = start, now = start;
  for (const auto& queue : queues_) {
    for (uint32_t slot = 0; slot < load.depth; ++slot) queue->Send(slot);
    queue->Publish();
  }
  const uint64_t in_flight = queues_.size() * load.depth;
  bool more = true;
  for (uint32_t turns = 1;; ++turns) {
    const uint64_t done = Turn(more);
    result.operations += done;
    if (result.operations + in_flight >= load.operations) more = false;
    if (done > 0) last = now;
    if (turns % kTurns == 0 || load.wait == Wait::kEvent) {
      now = clock.Monotonic();
      if (now - start >= load.duration) more = false;
      if (now - last > kStalled) return Stalled();
    }
    if (!more && std::all_of(queues_.begin(), queues_.end(),
                             [](const auto& queue) { return queue->in_flight() == 0; })) {
      break;
    }
    if (done > 0) continue;
    if (load.wait == Wait::kPoll) {
      __builtin_ia32_pause();
    } else {
      RETURN_IF_ERROR(Sleep(result.calls));
    }
  }
  result.elapsed = clock.Monotonic() - start;
  uint64_t failed = 0;
  for (const auto& queue : queues_) {
    result.kicks += queue->kicks();
    failed += queue->failed();
  }
  result.kicks -= kicks_before;
  if (failed > 0) return absl::DataLossError(absl::StrCat(failed, " requests failed"));
  return result;
}

}  // namespace touchstone
