#include "devices/virtio/balloon/balloon_link.h"

#include <errno.h>
#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "base/endian.h"
#include "base/log.h"
#include "base/status.h"
#include "devices/virtio/balloon/balloon_protocol.h"

namespace touchstone {

struct BalloonLinkMessage {
  enum Kind : uint32_t {
    kTarget = 1,      // To the balloon: `value` in bytes.
    kQuestion = 2,    // To the balloon: an answer with this `id` is wanted.
    kState = 3,       // From it: `value` is what it holds, `flag` whether it is active.
    kStatistics = 4,  // From it: the answer; `flag` whether there are any.
  };

  Le32 kind = 0u;
  Le32 id = 0u;
  Le64 value = uint64_t{0};
  Le32 flag = 0u;
  Le32 count = 0u;
  BalloonStatistic statistics[12];
};

namespace {

constexpr BalloonTag kTags[] = {
    BalloonTag::kSwapIn,          BalloonTag::kSwapOut,      BalloonTag::kMajorFaults,
    BalloonTag::kMinorFaults,     BalloonTag::kFreeMemory,   BalloonTag::kTotalMemory,
    BalloonTag::kAvailableMemory, BalloonTag::kDiskCaches,   BalloonTag::kHugetlbAllocations,
    BalloonTag::kHugetlbFailures, BalloonTag::kSharedMemory, BalloonTag::kUnevictableMemory,
};
static_assert(std::size(kTags) == std::size(BalloonLinkMessage().statistics));

void SendMessage(const FdSocket& socket, const BalloonLinkMessage& message) {
  const absl::Status sent =
      socket.Send(absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(&message), sizeof(message)));
  // Who does not read has other troubles, which are seen elsewhere.
  sent.IgnoreError();
}

// The next message; nothing while there is none. An error when the peer is gone.
absl::StatusOr<absl::optional<BalloonLinkMessage>> ReceiveMessage(const FdSocket& socket) {
  BalloonLinkMessage message;
  const absl::StatusOr<size_t> size =
      socket.Receive(absl::MakeSpan(reinterpret_cast<uint8_t*>(&message), sizeof(message)));
  if (absl::IsUnavailable(size.status())) return absl::optional<BalloonLinkMessage>();
  if (!size.ok()) return size.status();
  if (*size != sizeof(message)) return absl::DataLossError("no message of a balloon");
  return absl::optional<BalloonLinkMessage>(message);
}

bool MakeNonBlocking(const FdSocket& socket) {
  const int flags = fcntl(socket.fd(), F_GETFL);
  return flags >= 0 && fcntl(socket.fd(), F_SETFL, flags | O_NONBLOCK) == 0;
}

}  // namespace

// --- The parent's side.

RemoteBalloon::RemoteBalloon(FdSocket socket, EventLoop& loop, uint64_t memory_size,
                             uint64_t target)
    : socket_(std::move(socket)),
      loop_(loop),
      memory_size_(memory_size),
      target_(std::min(target, memory_size) / kBalloonPageSize * kBalloonPageSize) {
  CHECK(MakeNonBlocking(socket_));
  watch_ = loop_.OnReadable(socket_.fd(), [this] { Serve(); });
}

void RemoteBalloon::SetTarget(uint64_t bytes) {
  BalloonLinkMessage message = {.kind = BalloonLinkMessage::kTarget};
  {
    MutexLock lock(mutex_);
    target_ = std::min(bytes, memory_size_) / kBalloonPageSize * kBalloonPageSize;
    message.value = target_;
  }
  SendMessage(socket_, message);
}

uint64_t RemoteBalloon::target() const {
  MutexLock lock(mutex_);
  return target_;
}

uint64_t RemoteBalloon::actual() const {
  MutexLock lock(mutex_);
  return actual_;
}

bool RemoteBalloon::active() const {
  MutexLock lock(mutex_);
  return active_;
}

void RemoteBalloon::OnChange(EventLoop::Callback callback) {
  MutexLock lock(mutex_);
  on_change_ = std::move(callback);
}

void RemoteBalloon::RequestStatistics(StatisticsCallback callback) {
  if (!watch_.active() || questions_.size() >= Balloon::kMaxRequests) {
    return callback(absl::nullopt);
  }
  const uint32_t id = ++last_id_;
  questions_[id] = {
      .callback = std::move(callback),
      .patience = loop_.After(kPatience, [this, id] { Answer(id, absl::nullopt); }),
  };
  SendMessage(socket_, {.kind = BalloonLinkMessage::kQuestion, .id = id});
}

void RemoteBalloon::Answer(uint32_t id, const absl::optional<BalloonStatistics>& statistics) {
  const auto found = questions_.find(id);
  if (found == questions_.end()) return;
  Question question = std::move(found->second);
  questions_.erase(found);
  question.callback(statistics);
}

void RemoteBalloon::Serve() {
  const absl::StatusOr<absl::optional<BalloonLinkMessage>> received = ReceiveMessage(socket_);
  if (!received.ok()) {
    watch_.Reset();
    while (!questions_.empty()) Answer(questions_.begin()->first, absl::nullopt);
    return;
  }
  if (!received->has_value()) return;
  const BalloonLinkMessage& message = **received;
  if (message.kind == BalloonLinkMessage::kState) {
    MutexLock lock(mutex_);
    actual_ = message.value;
    active_ = message.flag != 0;
    if (on_change_ != nullptr) on_change_();
  } else if (message.kind == BalloonLinkMessage::kStatistics) {
    absl::optional<BalloonStatistics> statistics;
    if (message.flag != 0) {
      statistics.emplace();
      const size_t count = std::min<size_t>(message.count, std::size(message.statistics));
      for (size_t i = 0; i < count; ++i) statistics->Set(message.statistics[i]);
    }
    Answer(message.id, statistics);
  }
}

// --- The balloon's side.

absl::StatusOr<std::unique_ptr<BalloonServer>> BalloonServer::Create(FdSocket socket,
                                                                     EventLoop& loop,
                                                                     Balloon& balloon) {
  if (!MakeNonBlocking(socket)) return ErrnoStatus(errno, "the socket of the balloon");
  ASSIGN_OR_RETURN(EventFd changed, EventFd::Create());
  return std::unique_ptr<BalloonServer>(
      new BalloonServer(std::move(socket), std::move(changed), loop, balloon));
}

BalloonServer::BalloonServer(FdSocket socket, EventFd changed, EventLoop& loop, Balloon& balloon)
    : socket_(std::move(socket)),
      changed_(std::move(changed)),
      balloon_(balloon),
      self_(std::make_shared<BalloonServer*>(this)) {
  watch_ = loop.OnReadable(socket_.fd(), [this] { Serve(); });
  change_ = loop.OnReadable(changed_.fd(), [this] { SendState(); });
  balloon_.OnChange([this] { changed_.Signal(); });
}

BalloonServer::~BalloonServer() {
  balloon_.OnChange(nullptr);
  *self_ = nullptr;
}

void BalloonServer::Send(const BalloonLinkMessage& message) const { SendMessage(socket_, message); }

void BalloonServer::SendState() {
  changed_.Drain();
  Send({.kind = BalloonLinkMessage::kState,
        .value = balloon_.actual(),
        .flag = balloon_.active() ? 1u : 0u});
}

void BalloonServer::Serve() {
  const absl::StatusOr<absl::optional<BalloonLinkMessage>> received = ReceiveMessage(socket_);
  if (!received.ok()) return watch_.Reset();
  if (!received->has_value()) return;
  const BalloonLinkMessage& message = **received;
  if (message.kind == BalloonLinkMessage::kTarget) balloon_.SetTarget(message.value);
  if (message.kind != BalloonLinkMessage::kQuestion) return;
  balloon_.RequestStatistics(
      [self = self_, id = message.id](const absl::optional<BalloonStatistics>& statistics) {
        if (*self == nullptr) return;
        BalloonLinkMessage answer = {.kind = BalloonLinkMessage::kStatistics,
                                     .id = id,
                                     .flag = statistics.has_value() ? 1u : 0u};
        uint32_t count = 0;
        for (const BalloonTag tag : kTags) {
          if (!statistics.has_value() || !statistics->Get(tag).has_value()) continue;
          answer.statistics[count].tag = static_cast<uint16_t>(tag);
          answer.statistics[count].value = *statistics->Get(tag);
          ++count;
        }
        answer.count = count;
        (*self)->Send(answer);
      });
}

}  // namespace touchstone
