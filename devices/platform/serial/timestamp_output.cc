#include "devices/platform/serial/timestamp_output.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace touchstone {
namespace {

absl::Span<const uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace

TimestampOutput::TimestampOutput(std::unique_ptr<SerialOutput> output, Clock& clock)
    : output_(std::move(output)), clock_(clock) {}

bool TimestampOutput::Write(absl::Span<const uint8_t> bytes) {
  MutexLock lock(mutex_);
  bool ready = true;
  while (!bytes.empty()) {
    if (at_line_start_) {
      output_->Write(Bytes(absl::StrCat(
          "[ ", absl::FormatTime("%E4Y-%m-%d %H:%M:%E9S", clock_.Now(), absl::UTCTimeZone()),
          " ]: ")));
    }
    const auto newline = std::find(bytes.begin(), bytes.end(), '\n');
    at_line_start_ = newline != bytes.end();
    const size_t size = static_cast<size_t>(newline - bytes.begin()) + (at_line_start_ ? 1 : 0);
    ready = output_->Write(bytes.first(size));
    bytes.remove_prefix(size);
  }
  return ready;
}

bool TimestampOutput::Ready() { return output_->Ready(); }

// Each byte may be a line.
size_t TimestampOutput::Room() { return output_->Room() / (kPrefixSize + 1); }

void TimestampOutput::OnReady(EventLoop::Callback callback) {
  output_->OnReady(std::move(callback));
}

void TimestampOutput::Flush() { output_->Flush(); }

}  // namespace touchstone
