#include "vmm/cli/console_command.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/terminal.h"
#include "vmm/config/text.h"
#include "vmm/control/control_client.h"

namespace touchstone {
namespace {

constexpr char kDetach = 0x1D;  // Ctrl-]
// What was typed and is not taken yet.
constexpr size_t kMaxPending = size_t{64} << 10;

// One call that may be interrupted; 0 at the end, an error in errno.
template <typename Call>
ssize_t Retry(Call call) {
  ssize_t result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

absl::Status WriteAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = Retry([&] { return write(fd, bytes.data(), bytes.size()); });
    if (count < 0 && errno == EAGAIN) {
      pollfd writable = {.fd = fd, .events = POLLOUT, .revents = 0};
      poll(&writable, 1, -1);
      continue;
    }
    if (count < 0) return ErrnoStatus(errno, "write to standard output");
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

// A conversation: `pending` is on its way to the guest.
struct Talk {
  int console;
  int input;
  int output;
  bool terminal;
  bool input_ended = false;
  std::string pending = {};

  // False at the end.
  absl::StatusOr<bool> Hear() {
    std::array<char, 4096> bytes;
    const ssize_t count =
        Retry([&] { return recv(console, bytes.data(), bytes.size(), MSG_DONTWAIT); });
    if (count < 0 && errno == EAGAIN) return true;
    // A machine that was killed resets the connection.
    if (count <= 0) return false;
    RETURN_IF_ERROR(WriteAll(output, {bytes.data(), static_cast<size_t>(count)}));
    return true;
  }

  // False when the user has had enough.
  bool Listen() {
    std::array<char, 4096> bytes;
    const ssize_t count = Retry([&] { return read(input, bytes.data(), bytes.size()); });
    if (count < 0 && errno == EAGAIN) return true;
    if (count <= 0) {
      input_ended = true;
      return !terminal;
    }
    absl::string_view typed(bytes.data(), static_cast<size_t>(count));
    const size_t detach = terminal ? typed.find(kDetach) : absl::string_view::npos;
    if (terminal) typed = typed.substr(0, std::min(detach, kMaxPending - pending.size()));
    pending.append(typed.data(), typed.size());
    return detach == absl::string_view::npos;
  }

  void Send() {
    const ssize_t count = Retry(
        [&] { return send(console, pending.data(), pending.size(), MSG_DONTWAIT | MSG_NOSIGNAL); });
    if (count > 0) pending.erase(0, static_cast<size_t>(count));
    // That nobody is there is heard by who reads.
    if (count < 0 && errno != EAGAIN) pending.clear();
  }
};

}  // namespace

absl::StatusOr<ConsoleLine> ParseConsoleLine(absl::Span<const absl::string_view> arguments) {
  ConsoleLine line;
  bool options = true, socket = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    absl::string_view argument = arguments[i];
    if (!options || argument == "-" || !absl::StartsWith(argument, "-")) {
      if (std::exchange(socket, true)) {
        return absl::InvalidArgumentError(absl::StrCat("unexpected argument ", Quote(argument)));
      }
      line.socket = std::string(argument);
    } else if (argument == "--") {
      options = false;
    } else if (argument == "--index" || absl::StartsWith(argument, "--index=")) {
      const bool separate = argument == "--index";
      if (separate && ++i == arguments.size()) {
        return absl::InvalidArgumentError("--index: its value is missing");
      }
      const absl::string_view value = separate ? arguments[i] : argument.substr(8);
      uint32_t index = 0;
      if (!absl::SimpleAtoi(value, &index)) {
        return absl::InvalidArgumentError(
            absl::StrCat("--index: ", Quote(value), " is not the number of a --serial"));
      }
      line.index = index;
    } else {
      return absl::InvalidArgumentError(absl::StrCat("unknown option ", Quote(argument)));
    }
  }
  if (!socket) {
    return absl::InvalidArgumentError("VM_SOCKET is missing; the socket of the machine comes last");
  }
  return line;
}

absl::StatusOr<AttachedConsole> AttachConsole(const ConsoleLine& line) {
  ASSIGN_OR_RETURN(auto pair, FdSocket::CreatePair(FdSocket::Kind::kStream));
  ControlRequest request;
  request.set_command(ControlRequest::CONSOLE);
  if (line.index.has_value()) request.set_number(*line.index);
  const int files[] = {pair.second.fd()};
  ASSIGN_OR_RETURN(const ControlResponse response,
                   SendControlFiles(line.socket, request, files, nullptr));
  if (response.error() != 0) {
    return absl::FailedPreconditionError(absl::StrCat("console: ", response.text()));
  }
  return AttachedConsole{std::move(pair.first), response.text()};
}

absl::Status ShowConsole(const FdSocket& console, int input, bool terminal, int output) {
  Talk talk = {console.fd(), input, output, terminal};
  for (;;) {
    pollfd fds[] = {
        {console.fd(), static_cast<int16_t>(talk.pending.empty() ? POLLIN : POLLIN | POLLOUT), 0},
        {talk.input_ended ? -1 : input, POLLIN, 0}};
    // Keys are looked at however little the guest takes; other input waits for it.
    if (!talk.terminal && talk.pending.size() >= kMaxPending) fds[1].fd = -1;
    if (poll(fds, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus(errno, "poll");
    }
    if ((fds[0].revents & POLLOUT) != 0) talk.Send();
    if ((fds[0].revents & ~POLLOUT) != 0) {
      ASSIGN_OR_RETURN(const bool going, talk.Hear());
      if (!going) return absl::OkStatus();
    }
    if (fds[1].revents != 0 && !talk.Listen()) return absl::OkStatus();
  }
}

absl::Status RunConsole(const ConsoleLine& line,
                        const std::function<void(absl::string_view)>& say) {
  ASSIGN_OR_RETURN(const AttachedConsole console, AttachConsole(line));
  absl::Status status;
  bool terminal = false;
  {
    // Before anything is said: what is typed in answer is not to be lost.
    ASSIGN_OR_RETURN(const RawTerminal raw, RawTerminal::Enter(STDIN_FILENO));
    terminal = raw.active();
    if (terminal) say(absl::StrCat("attached to ", console.name, "; Ctrl-] detaches\n"));
    status = ShowConsole(console.socket, STDIN_FILENO, terminal, STDOUT_FILENO);
  }
  if (terminal) say(absl::StrCat("\ndetached from ", console.name, "\n"));
  return status;
}

}  // namespace touchstone
