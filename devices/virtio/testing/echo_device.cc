#include "devices/virtio/testing/echo_device.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "devices/virtio/core/virtio_features.h"

namespace touchstone {
namespace {

// Of one answer.
constexpr uint64_t kMaxBytes = 4096;

void Echo(ReadableChain chain) {
  std::vector<uint8_t> bytes(std::min({chain.readable(), chain.writable(), kMaxBytes}));
  const bool read = chain.Read(absl::MakeSpan(bytes)).ok();
  WritableChain answer = std::move(chain).IntoWritable();
  if (read) answer.Write(bytes).IgnoreError();
  std::move(answer).Complete();
}

bool StartsWith(const DriverQueue::Used& used, const std::vector<uint8_t>& bytes) {
  return used.length == bytes.size() && used.data.size() >= bytes.size() &&
         std::equal(bytes.begin(), bytes.end(), used.data.begin());
}

}  // namespace

EchoDevice::EchoDevice(EventLoop& loop)
    : QueueDevice({.device_id = kDeviceId,
                   .queue_sizes = {64, 16},
                   .features = kOwnFeature | kVirtioPackedRing | kVirtioIndirectDescriptors},
                  loop) {}

void EchoDevice::ReadConfig(uint32_t offset, absl::Span<uint8_t> data) {
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
  if (state.size() != config_.size()) {
    return absl::InvalidArgumentError("the state of an echo device is 5 bytes long");
  }
  std::copy(state.begin(), state.end(), config_.begin());
  return absl::OkStatus();
}

void EchoDevice::Handle(uint16_t queue, ReadableChain chain) {
  if (queue != kLateQueue) return Echo(std::move(chain));
  kept_.push_back(std::move(chain));
}

void EchoDevice::Drain(uint16_t queue) {
  if (queue == kLateQueue) kept_.clear();
}

void EchoDevice::AnswerOldest() {
  if (kept_.empty()) return;
  Echo(std::move(kept_.front()));
  kept_.pop_front();
  Flush(kLateQueue);
}

void EchoDevice::ChangeConfig(uint8_t value) {
  config_[kDriverBytes] = value;
  if (driver().interrupt != nullptr) driver().interrupt->SignalConfig();
}

void EchoUnderTest::HostEvent(uint8_t kind, absl::Span<const uint8_t> bytes) {
  if (kind == 0) echo_.AnswerOldest();
  if (kind == 1 && !bytes.empty()) echo_.ChangeConfig(bytes[0]);
}

DeviceKit EchoKit() {
  const std::vector<uint8_t> bytes = {0x5A, 1, 2, 3};
  const auto echoes = [bytes](const DriverQueue::Used& used) { return StartsWith(used, bytes); };
  return {.make = [](ManualLoop& loop) { return std::make_unique<EchoUnderTest>(loop); },
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
