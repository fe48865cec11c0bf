#include "devices/virtio/testing/echo_device.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "devices/virtio/core/virtio_features.h"

namespace touchstone {
namespace {

// Of one answer.
constexpr uint64_t kMaxBytes = 4096;

bool StartsWith(const DriverQueue::Used& used, const std::vector<uint8_t>& bytes) {
  return used.length == bytes.size() && used.data.size() >= bytes.size() &&
         std::equal(bytes.begin(), bytes.end(), used.data.begin());
}

}  // namespace

EchoDevice::EchoDevice(EventLoop& loop, EchoDefect defect)
    : QueueDevice({.device_id = kDeviceId,
                   .queue_sizes = {64, 16},
                   .features = kOwnFeature | kVirtioPackedRing | kVirtioIndirectDescriptors},
                  loop),
      defect_(defect) {}

void EchoDevice::Echo(ReadableChain chain) const {
  std::vector<uint8_t> bytes(std::min({chain.readable(), chain.writable(), kMaxBytes}));
  const bool read = chain.Read(absl::MakeSpan(bytes)).ok();
  if (defect_ == EchoDefect::kWrongByte && !bytes.empty()) bytes.back() ^= 1;
  WritableChain answer = std::move(chain).IntoWritable();
  if (read) answer.Write(bytes).IgnoreError();
  if (defect_ == EchoDefect::kWrongLength) answer.Commit(1).IgnoreError();
  std::move(answer).Complete();
}

void EchoDevice::ReadConfig(uint32_t offset, absl::Span<uint8_t> data) {
  if (defect_ == EchoDefect::kConfigBeyondEnd) std::fill(data.begin(), data.end(), 0xAA);
  if (defect_ == EchoDefect::kConfigIgnoresOffset) offset = 0;
  if (offset >= config_.size()) return;
  const size_t size = std::min(data.size(), config_.size() - offset);
  std::copy_n(config_.begin() + offset, size, data.begin());
}

void EchoDevice::WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) {
  if (offset >= kDriverBytes) return;
  const size_t size = std::min(data.size(), kDriverBytes - offset);
  std::copy_n(data.begin(), size, config_.begin() + offset);
}

absl::StatusOr<std::string> EchoDevice::Save() {
  return std::string(config_.begin(), config_.end());
}

absl::Status EchoDevice::Restore(absl::string_view state) {
  if (defect_ == EchoDefect::kRestoresAndRefuses && !state.empty()) config_[0] = state[0];
  if (state.size() != config_.size()) {
    return absl::InvalidArgumentError("the state of an echo device is 5 bytes long");
  }
  const bool part = defect_ == EchoDefect::kRestoresPart;
  std::copy(state.begin(), state.end() - (part ? 1 : 0), config_.begin());
  return absl::OkStatus();
}

void EchoDevice::Handle(uint16_t queue, ReadableChain chain) {
  const bool lost = defect_ == EchoDefect::kLosesEmptyChains && chain.readable() == 0;
  if (lost || defect_ == EchoDefect::kAnswersTooLate) {
    if (!lost && !kept_.empty()) AnswerOldest();
    kept_.push_back(std::move(chain));
    return;
  }
  if (queue != kLateQueue) return Echo(std::move(chain));
  kept_.push_back(std::move(chain));
}

void EchoDevice::Drain(uint16_t queue) {
  if (queue == kLateQueue && defect_ != EchoDefect::kKeepsChains) kept_.clear();
}

void EchoDevice::AnswerOldest() {
  if (kept_.empty()) return;
  Echo(std::move(kept_.front()));
  kept_.pop_front();
  if (defect_ != EchoDefect::kNoLateInterrupt) Flush(kLateQueue);
}

void EchoDevice::ChangeConfig(uint8_t value) {
  config_[kDriverBytes] = value;
  if (driver().interrupt != nullptr) driver().interrupt->SignalConfig();
}

void EchoUnderTest::HostEvent(uint8_t kind, absl::Span<const uint8_t> bytes) {
  if (kind == 0) echo_.AnswerOldest();
  if (kind == 1 && !bytes.empty()) echo_.ChangeConfig(bytes[0]);
}

DeviceKit EchoKit(EchoDefect defect) {
  const std::vector<uint8_t> bytes = {0x5A, 1, 2, 3};
  const auto echoes = [bytes](const DriverQueue::Used& used) { return StartsWith(used, bytes); };
  return {
      .make = [defect](ManualLoop& loop) { return std::make_unique<EchoUnderTest>(loop, defect); },
      .requests = {{.name = "Echo", .readable = {bytes}, .writable = {8}, .is_answer = echoes},
                   {.name = "Pieces",
                    .readable = {{0x5A}, {1, 2}, {3}},
                    .writable = {1, 1, 30},
                    .is_answer = echoes},
                   {.name = "Late",
                    .queue = 1,
                    .readable = {bytes},
                    .writable = {4},
                    .events = {{.kind = 0}},
                    .is_answer = echoes},
                   {.name = "OwnFeature",
                    .readable = {{7}},
                    .writable = {1},
                    .features = EchoDevice::kOwnFeature,
                    .is_answer = [](const auto& used) { return StartsWith(used, {7}); }}}};
}

}  // namespace touchstone
