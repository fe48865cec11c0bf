#include "vmm/gdb/packet.h"

#include "absl/strings/str_cat.h"

namespace touchstone {
namespace {

// GDB manual, E.1: an escaped byte follows '}' with this bit flipped.
constexpr char kEscape = '}';
constexpr char kEscapeBit = 0x20;
constexpr char kInterrupt = 0x03;

int HexDigit(char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

}  // namespace

void GdbPacketReader::Feed(absl::string_view bytes, absl::FunctionRef<void(GdbInput)> input) {
  for (const char byte : bytes) {
    switch (state_) {
      case State::kOutside:
        Outside(byte, input);
        break;
      case State::kPayload:
        Payload(byte);
        break;
      case State::kEscaped:
        sum_ = static_cast<uint8_t>(sum_ + static_cast<uint8_t>(byte));
        Append(static_cast<char>(byte ^ kEscapeBit));
        state_ = State::kPayload;
        break;
      case State::kFirstDigit:
        first_digit_ = byte;
        state_ = State::kSecondDigit;
        break;
      case State::kSecondDigit:
        SecondDigit(byte, input);
        break;
    }
  }
}

void GdbPacketReader::Outside(char byte, absl::FunctionRef<void(GdbInput)> input) {
  switch (byte) {
    case '$':
      state_ = State::kPayload;
      payload_.clear();
      too_long_ = false;
      sum_ = 0;
      break;
    case '+':
      input({GdbInput::Kind::kAck, {}});
      break;
    case '-':
      input({GdbInput::Kind::kNack, {}});
      break;
    case kInterrupt:
      input({GdbInput::Kind::kInterrupt, {}});
      break;
    default:
      break;
  }
}

void GdbPacketReader::Payload(char byte) {
  if (byte == '#') {
    state_ = State::kFirstDigit;
    return;
  }
  sum_ = static_cast<uint8_t>(sum_ + static_cast<uint8_t>(byte));
  if (byte == kEscape) {
    state_ = State::kEscaped;
  } else {
    Append(byte);
  }
}

void GdbPacketReader::Append(char byte) {
  if (payload_.size() < kGdbMaxPacket) {
    payload_.push_back(byte);
  } else {
    too_long_ = true;
  }
}

void GdbPacketReader::SecondDigit(char byte, absl::FunctionRef<void(GdbInput)> input) {
  state_ = State::kOutside;
  const int high = HexDigit(first_digit_);
  const int low = HexDigit(byte);
  if (too_long_ || high < 0 || low < 0 || high * 16 + low != sum_) {
    input({GdbInput::Kind::kCorrupt, {}});
  } else {
    input({GdbInput::Kind::kPacket, payload_});
  }
}

std::string EncodeGdbPacket(absl::string_view payload) {
  std::string packet = "$";
  uint8_t sum = 0;
  const auto add = [&](char byte) {
    packet.push_back(byte);
    sum = static_cast<uint8_t>(sum + static_cast<uint8_t>(byte));
  };
  for (const char byte : payload) {
    if (byte == '$' || byte == '#' || byte == kEscape || byte == '*') {
      add(kEscape);
      add(static_cast<char>(byte ^ kEscapeBit));
    } else {
      add(byte);
    }
  }
  absl::StrAppend(&packet, "#", absl::Hex(sum, absl::kZeroPad2));
  return packet;
}

}  // namespace touchstone
