// Opens what a serial port, console or debug port writes to and reads from, as its configuration
// says (--serial; crosvm.md 1.4).
//
//   type         output                                         input
//   file         appended to `path`, which is made if missing
//   stdout       standard output
//   sink         nowhere
//   syslog       a message to the system log for each line
//   unix         a datagram to `path` for each line
//   unix-stream  the socket `path`, connected anew when it       the same, with input-unix-stream
//                comes back
//
// Otherwise input is that of the file `input`, or with `stdin` standard input, which is put in raw
// mode as long as the back end lives if it is a terminal: Ctrl-C is then the guest's. The end of a
// regular file or of standard input is the end of input.
//
// Opening needs the host's files; afterwards only what is opened here is used, except for sockets,
// which are looked up by their path again when they reconnect.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_SERIAL_SERIAL_BACKEND_H_
#define TOUCHSTONE_DEVICES_PLATFORM_SERIAL_SERIAL_BACKEND_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/event/event_loop.h"
#include "base/scoped_fd.h"
#include "base/system_log.h"
#include "base/terminal.h"
#include "devices/platform/serial/serial.pb.h"
#include "devices/platform/serial/serial_input.h"
#include "devices/platform/serial/serial_output.h"

namespace touchstone {

// Both ends of one port, neither null. Destroyed after the device, on the loop's thread or while
// the loop does not run; pending output is written then.
struct SerialBackend {
  std::optional<RawTerminal> terminal;
  std::unique_ptr<SerialOutput> output;
  std::unique_ptr<SerialInput> input;
};

// `loop` and `clock` must outlive the result. `log_path` is the socket of the system log; without a
// daemon there, a warning says so and the output waits for one. Errors name the key and the file.
// From the first call on, the process ignores SIGPIPE unless it handles it.
absl::StatusOr<SerialBackend> OpenSerialBackend(const SerialConfig& config, EventLoop& loop,
                                                Clock& clock,
                                                const std::string& log_path = kSystemLogSocket);

struct SerialSocket {
  std::string path;
  int type = 0;  // SOCK_STREAM or SOCK_DGRAM.
};

// What OpenSerialBackend would open, for a process that may open nothing and has a FileProvider
// (base/file_provider.h): by the paths of the configuration.
struct SerialFile {
  std::string path;  // kSerialStandard for standard input or output.
  int access = 0;    // O_RDONLY or O_WRONLY.
  ScopedFd fd;       // Non-blocking where that matters.
};
inline constexpr char kSerialStandard[] = "";
absl::StatusOr<std::vector<SerialFile>> OpenSerialFiles(const SerialConfig& config);

// The sockets that it connects to.
std::vector<SerialSocket> SerialSockets(const SerialConfig& config,
                                        const std::string& log_path = kSystemLogSocket);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_SERIAL_SERIAL_BACKEND_H_
