#include "devices/platform/i8042/i8042.h"

#include <utility>

namespace touchstone {

I8042::I8042(uint16_t first_port, uint8_t status, std::function<void()> on_reset)
    : first_port_(first_port), status_(status), on_reset_(std::move(on_reset)) {}

void I8042::Read(uint64_t offset, absl::Span<uint8_t> data) {
  if (data.size() != 1) return;
  switch (first_port_ + offset) {
    case kSystemControlPort:
      data[0] = kTimer2Output;
      return;
    case kCommandPort:
      data[0] = status_;
      return;
    default:
      return;
  }
}

void I8042::Write(uint64_t offset, absl::Span<const uint8_t> data) {
  if (data.size() != 1 || first_port_ + offset != kCommandPort) return;
  if (data[0] == kPulseReset) on_reset_();
}

}  // namespace touchstone
