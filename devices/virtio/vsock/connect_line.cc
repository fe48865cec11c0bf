#include "devices/virtio/vsock/connect_line.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace touchstone {

ConnectLine::State ConnectLine::Take(absl::string_view bytes, size_t& taken) {
  taken = 0;
  if (state_ != State::kMore) return state_;
  const size_t newline = bytes.find('\n');
  taken = std::min(newline == absl::string_view::npos ? bytes.size() : newline + 1,
                   kMaxSize - line_.size());
  line_.append(bytes.data(), taken);
  if (!line_.empty() && line_.back() == '\n') {
    state_ = Parse();
  } else if (line_.size() == kMaxSize) {
    state_ = State::kInvalid;
  }
  return state_;
}

ConnectLine::State ConnectLine::Parse() {
  absl::string_view text = line_;
  text.remove_suffix(1);
  absl::ConsumeSuffix(&text, "\r");
  if (!absl::ConsumePrefix(&text, "CONNECT ")) return State::kInvalid;
  // SimpleAtoi would take signs and spaces too.
  if (text.empty() || !std::all_of(text.begin(), text.end(), absl::ascii_isdigit)) {
    return State::kInvalid;
  }
  return absl::SimpleAtoi(text, &port_) ? State::kPort : State::kInvalid;
}

std::string AcceptedLine(uint32_t host_port) { return absl::StrCat("OK ", host_port, "\n"); }

}  // namespace touchstone
