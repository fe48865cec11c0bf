#include "devices/virtio/rng/rng_testing.h"

#include <algorithm>

#include "absl/status/status.h"
#include "base/status.h"

namespace touchstone {
namespace {

constexpr uint8_t kFakeByte = 0x5A;

// True when `count` bytes were written, all of them the fake's, and nothing behind them.
bool IsFilled(const DriverQueue::Used& used, size_t count) {
  const auto end = used.data.begin() + static_cast<ptrdiff_t>(std::min(count, used.data.size()));
  return used.length == count &&
         std::all_of(used.data.begin(), end, [](uint8_t byte) { return byte == kFakeByte; }) &&
         std::all_of(end, used.data.end(), [](uint8_t byte) { return byte == 0; });
}

TestRequest Fill(std::string name, uint32_t size, size_t answer) {
  return {.name = std::move(name), .writable = {size}, .is_answer = [answer](const auto& used) {
            return IsFilled(used, answer);
          }};
}

}  // namespace

RngUnderTest::RngUnderTest(ManualLoop& loop)
    : rng_(loop, [this](absl::Span<uint8_t> bytes) -> absl::Status {
        if (fails_) return absl::UnavailableError("the fake fails");
        if (asks_host_) RETURN_IF_ERROR(Rng::HostRandom(bytes));
        std::fill(bytes.begin(), bytes.end(), kFakeByte);
        return absl::OkStatus();
      }) {}

void RngUnderTest::HostEvent(uint8_t kind, absl::Span<const uint8_t> /*bytes*/) {
  fails_ = kind == 0;
  asks_host_ = kind == 1;
}

DeviceKit RngKit() {
  DeviceKit kit = {
      .make = [](ManualLoop& loop) { return std::make_unique<RngUnderTest>(loop); },
      .requests = {Fill("Fill64", 64, 64), Fill("FillOne", 1, 1), Fill("FillPage", 4096, 4096),
                   Fill("HugeGetsAPart", Rng::kMaxBytes + 4096, Rng::kMaxBytes)}};
  kit.requests.push_back({.name = "FillPieces",
                          .writable = {1, 100, 4000},
                          .is_answer = [](const auto& used) { return IsFilled(used, 4101); }});
  kit.requests.push_back({.name = "ReadableIsIgnored",
                          .readable = {{1, 2, 3}},
                          .writable = {8},
                          .is_answer = [](const auto& used) { return IsFilled(used, 8); }});
  kit.requests.push_back({.name = "NoRoom",
                          .readable = {{1, 2, 3}},
                          .is_answer = [](const auto& used) { return used.length == 0; }});
  return kit;
}

}  // namespace touchstone
