#include "devices/virtio/balloon/balloon.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "devices/virtio/balloon/balloon.pb.h"
#include "devices/virtio/balloon/balloon_protocol.h"

namespace touchstone {
namespace {

// More statistics than there are tags are a driver's mistake.
constexpr int kMaxStatistics = 64;
constexpr size_t kMaxStateSize = 1024;

uint64_t Features(const Balloon::Options& options) {
  return kBalloonMustTellHost | kBalloonStatistics |
         (options.strict ? kBalloonResponsiveDevice : kBalloonDeflateOnOom) |
         (options.page_reporting ? kBalloonPageReporting : 0);
}

uint32_t PagesOf(uint64_t bytes, uint64_t memory_size) {
  return static_cast<uint32_t>(
      std::min<uint64_t>(std::min(bytes, memory_size) / kBalloonPageSize, UINT32_MAX));
}

}  // namespace

Balloon::Balloon(EventLoop& loop, Options options, std::unique_ptr<MemoryControl> control)
    : QueueDevice({.device_id = kDeviceId,
                   .queue_sizes = std::vector<uint16_t>(options.page_reporting ? 4 : 3, kQueueSize),
                   .features = Features(options)},
                  loop),
      options_(options),
      control_(std::move(control)),
      target_(PagesOf(options.target, options.memory_size)) {}

Balloon::~Balloon() { patience_.Reset(); }

void Balloon::SetTarget(uint64_t bytes) {
  {
    MutexLock lock(mutex_);
    const uint32_t pages = PagesOf(bytes, options_.memory_size);
    if (pages == target_) return;
    target_ = pages;
  }
  SignalConfig();
}

uint64_t Balloon::target() const {
  MutexLock lock(mutex_);
  return target_ * kBalloonPageSize;
}

uint64_t Balloon::actual() const {
  MutexLock lock(mutex_);
  return actual_ * kBalloonPageSize;
}

bool Balloon::active() const {
  MutexLock lock(mutex_);
  return active_;
}

Balloon::Counters Balloon::counters() const {
  MutexLock lock(mutex_);
  return counters_;
}

void Balloon::OnChange(EventLoop::Callback callback) {
  MutexLock lock(mutex_);
  on_change_ = std::move(callback);
}

void Balloon::Changed() {
  if (on_change_ != nullptr) on_change_();
}

void Balloon::ReadConfig(uint32_t offset, absl::Span<uint8_t> data) {
  BalloonConfigSpace config;
  {
    MutexLock lock(mutex_);
    config = {.num_pages = target_, .actual = actual_};
  }
  if (offset >= sizeof(config)) return;
  const auto bytes = absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(&config), sizeof(config));
  const auto found = bytes.subspan(offset, data.size());
  std::copy(found.begin(), found.end(), data.begin());
}

// Virtio 1.2, 5.5.6: the driver writes `actual`, and nothing else.
void Balloon::WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) {
  constexpr uint32_t kStart = offsetof(BalloonConfigSpace, actual);
  if (offset < kStart || offset >= kStart + sizeof(Le32)) return;
  MutexLock lock(mutex_);
  Le32 actual = actual_;
  const uint32_t at = offset - kStart;
  memcpy(reinterpret_cast<uint8_t*>(&actual) + at, data.data(),
         std::min<size_t>(data.size(), sizeof(actual) - at));
  actual_ = actual;
  Changed();
}

Balloon::Role Balloon::RoleOf(uint16_t queue) const {
  if (queue == 0) return Role::kInflate;
  if (queue == 1) return Role::kDeflate;
  uint16_t next = 2;
  if ((driver().features & kBalloonStatistics) != 0 && queue == next++) return Role::kStatistics;
  if ((driver().features & kBalloonPageReporting) != 0 && queue == next) return Role::kReporting;
  return Role::kNone;
}

bool Balloon::Accepts(uint16_t queue) {
  const Role role = RoleOf(queue);
  MutexLock lock(mutex_);
  if (role == Role::kInflate) {
    if (!std::exchange(active_, true)) Changed();
    Inflate();
    if (frames_left_ > 0) return true;
    Resume(queue);
    return false;
  }
  if (role == Role::kStatistics) {
    statistics_queue_ = queue;
    if (!requests_.empty() && !asked_ && statistics_.has_value()) {
      std::move(*statistics_).Complete();
      statistics_.reset();
      asked_ = true;
    }
  }
  return true;
}

void Balloon::Handle(uint16_t queue, ReadableChain chain) {
  const Role role = RoleOf(queue);
  if (role == Role::kStatistics) return TakeStatistics(std::move(chain));
  MutexLock lock(mutex_);
  switch (role) {
    case Role::kInflate:
      inflating_.emplace(std::move(chain));
      return Inflate();
    case Role::kReporting:
      return Report(std::move(chain));
    case Role::kStatistics:
    case Role::kDeflate:  // The pages come back when they are touched.
    case Role::kNone:
      std::move(chain).Complete();
  }
}

void Balloon::EndBatch(uint16_t queue) {
  if (RoleOf(queue) != Role::kInflate) return;
  MutexLock lock(mutex_);
  frames_left_ = kFramesPerTurn;
}

// Virtio 1.2, 5.5.6: a list of page numbers. A rest of less than a number means nothing.
void Balloon::Inflate() {
  if (!inflating_.has_value()) return;
  Le32 frames[256];
  while (inflating_->readable() >= sizeof(Le32)) {
    const size_t count = static_cast<size_t>(std::min<uint64_t>(
        {std::size(frames), frames_left_, inflating_->readable() / sizeof(Le32)}));
    if (count == 0) return;
    // Page numbers outside of memory: the driver's loss, with all that follows.
    if (!inflating_->Read({reinterpret_cast<uint8_t*>(frames), count * sizeof(Le32)}).ok()) break;
    frames_left_ -= count;
    if (batch_.Repeats(absl::MakeConstSpan(frames, count))) continue;
    for (size_t i = 0; i < count; ++i) {
      batch_.Add(frames[i]);
      if (batch_.full()) ReleaseBatch();
    }
  }
  ReleaseBatch();
  std::move(*inflating_).Complete();
  inflating_.reset();
}

void Balloon::ReleaseBatch() {
  for (const GuestMemory::RegionSpec& range : batch_.TakeRanges()) Release(range.start, range.size);
}

// Virtio 1.2, 5.5.6.5: the buffers are the free pages. Those that are not whole stay.
void Balloon::Report(ReadableChain chain) {
  WritableChain pages = std::move(chain).IntoWritable();
  while (pages.writable() > 0) {
    const GuestMemory::RegionSpec buffer = pages.Buffer();
    const uint64_t skew = -Raw(buffer.start) % kBalloonPageSize;
    const uint64_t size =
        (buffer.size - std::min(buffer.size, skew)) / kBalloonPageSize * kBalloonPageSize;
    if (size > 0) Release(buffer.start + skew, size);
    pages.Skip(buffer.size).IgnoreError();
  }
  std::move(pages).Complete();
}

void Balloon::Release(GuestAddress start, uint64_t size) {
  ++counters_.releases;
  const absl::StatusOr<uint64_t> released = control_->Release(start, size);
  if (released.ok()) {
    counters_.released_bytes += *released;
    counters_.foreign_bytes += size - *released;
  } else if (counters_.failures++ == 0) {
    LOG(kWarning, "balloon", "%s; memory stays with the guest", released.status().message());
  }
}

void Balloon::TakeStatistics(ReadableChain chain) {
  BalloonStatistics statistics;
  for (int i = 0; i < kMaxStatistics && chain.readable() >= sizeof(BalloonStatistic); ++i) {
    const absl::StatusOr<BalloonStatistic> statistic = chain.ReadObject<BalloonStatistic>();
    if (!statistic.ok()) break;
    statistics.Set(*statistic);
  }
  bool answers = false;
  {
    MutexLock lock(mutex_);
    // A driver has one buffer for statistics; one with more gets the older ones back.
    if (statistics_.has_value()) std::move(*statistics_).Complete();
    statistics_.emplace(std::move(chain));
    answers = std::exchange(asked_, false);
  }
  if (answers) AnswerRequests(statistics);
}

void Balloon::RequestStatistics(StatisticsCallback callback) {
  std::optional<uint16_t> queue;
  {
    MutexLock lock(mutex_);
    queue = statistics_queue_;
    if (queue.has_value() && requests_.size() < kMaxRequests) {
      requests_.push_back(std::exchange(callback, nullptr));
    }
  }
  if (callback != nullptr) return callback(absl::nullopt);
  if (!patience_.active()) {
    patience_ = loop().After(kStatisticsPatience, [this] { AnswerRequests(absl::nullopt); });
  }
  Resume(*queue);
}

void Balloon::AnswerRequests(const absl::optional<BalloonStatistics>& statistics) {
  patience_.Reset();
  std::vector<StatisticsCallback> requests;
  {
    MutexLock lock(mutex_);
    requests.swap(requests_);
  }
  for (StatisticsCallback& request : requests) request(statistics);
}

void Balloon::Drain(uint16_t queue) {
  const Role role = RoleOf(queue);
  MutexLock lock(mutex_);
  if (role == Role::kInflate && inflating_.has_value()) {
    // The rest of the pages is not released, which does no harm.
    ReleaseBatch();
    std::move(*inflating_).Complete();
    inflating_.reset();
  }
  if (role != Role::kStatistics) return;
  statistics_queue_.reset();
  asked_ = false;
  if (statistics_.has_value()) std::move(*statistics_).Complete();
  statistics_.reset();
}

// Virtio 1.2, 5.5.6: the balloon of a driver that starts is empty.
void Balloon::OnReset() {
  MutexLock lock(mutex_);
  actual_ = 0;
  active_ = false;
  Changed();
}

absl::StatusOr<std::string> Balloon::Save() {
  MutexLock lock(mutex_);
  BalloonState state;
  state.set_version(kStateVersion);
  state.set_target(target_);
  state.set_actual(actual_);
  return state.SerializeAsString();
}

absl::Status Balloon::Restore(absl::string_view state) {
  BalloonState parsed;
  if (state.size() > kMaxStateSize ||
      !parsed.ParseFromArray(state.data(), static_cast<int>(state.size())) ||
      parsed.version() != kStateVersion || !parsed.has_target() || !parsed.has_actual() ||
      parsed.target() > options_.memory_size / kBalloonPageSize) {
    return absl::InvalidArgumentError("not the state of a balloon in this machine");
  }
  MutexLock lock(mutex_);
  target_ = parsed.target();
  actual_ = parsed.actual();
  return absl::OkStatus();
}

}  // namespace touchstone
