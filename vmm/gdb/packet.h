// Packets of the GDB remote serial protocol (GDB manual, appendix E.1): framing, checksums,
// escapes.
//
//   $vCont;c#a8     a packet, and the sum of its bytes
//   +  -            the last packet came well, or has to be sent again
//   0x03            interrupt
//
//   reader.Feed(bytes, [&](GdbInput input) { ... });
//   socket.Write(EncodeGdbPacket("OK"));

#ifndef TOUCHSTONE_VMM_GDB_PACKET_H_
#define TOUCHSTONE_VMM_GDB_PACKET_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

namespace touchstone {

// Bytes between '$' and '#'. Longer ones are not kept; qSupported tells gdb.
inline constexpr size_t kGdbMaxPacket = 0x4000;

// What arrived.
struct GdbInput {
  enum class Kind : uint8_t {
    kPacket,
    kCorrupt,    // A packet whose checksum is wrong, or that is too long.
    kInterrupt,  // Ctrl-C.
    kAck,
    kNack,
  };
  Kind kind = Kind::kPacket;
  // Of a packet, without escapes. Valid during the call.
  absl::string_view payload;
};

// Thread-compatible.
class GdbPacketReader {
 public:
  // Takes bytes as they come, in any pieces; what is no part of a packet is skipped.
  void Feed(absl::string_view bytes, absl::FunctionRef<void(GdbInput)> input);

 private:
  enum class State : uint8_t { kOutside, kPayload, kEscaped, kFirstDigit, kSecondDigit };

  void Outside(char byte, absl::FunctionRef<void(GdbInput)> input);
  void Payload(char byte);
  void Append(char byte);
  void SecondDigit(char byte, absl::FunctionRef<void(GdbInput)> input);

  State state_ = State::kOutside;
  std::string payload_;
  bool too_long_ = false;
  uint8_t sum_ = 0;
  char first_digit_ = 0;
};

// The packet, escaped where it has to be.
std::string EncodeGdbPacket(absl::string_view payload);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_GDB_PACKET_H_
