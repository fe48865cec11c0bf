// The protocol of the test guest, the host's side: one command and its answer.
//
// integration/images/test.init defines the protocol. This class sees lines only; Vm (vm.h) moves
// them.
//
// Thread-compatible.

#ifndef TOUCHSTONE_INTEGRATION_TESTING_GUEST_COMMAND_H_
#define TOUCHSTONE_INTEGRATION_TESTING_GUEST_COMMAND_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace touchstone {

// The version of the protocol that "#ready" announces.
inline constexpr int kGuestProtocolVersion = 1;

// A command that ran in the guest.
struct CommandResult {
  std::string output;  // Standard output and error, in order.
  int status = 0;      // As a shell says it.
};

// CRC-32 as in gzip.
uint32_t Crc32(absl::string_view data);

class GuestCommand {
 public:
  enum class Progress {
    kWaiting,  // More lines are needed.
    kDone,     // The result is complete and its check sum is right.
    kMangled,  // Something came between: send Again().
  };

  // REQUIRES: `id` was not used with this guest; `command` has no newline.
  GuestCommand(int id, absl::string_view command);

  // What to send first, and what to send to have the answer once more.
  [[nodiscard]] std::string Request() const;
  [[nodiscard]] std::string Again() const;

  // Takes a line from the guest, without its newline. After kMangled it is ready for the next
  // answer.
  Progress Feed(absl::string_view line);

  // REQUIRES: kDone was returned.
  [[nodiscard]] const CommandResult& result() const { return result_; }

 private:
  // Takes the line that ends an answer, without its "#ID=".
  Progress Finish(absl::string_view rest);

  const int id_;
  const std::string command_;
  const std::string line_prefix_;
  const std::string end_prefix_;
  CommandResult result_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_INTEGRATION_TESTING_GUEST_COMMAND_H_
