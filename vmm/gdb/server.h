// Where a debugger connects: a TCP port of this host alone, or a Unix socket (unix_listener.h).
//
//   ASSIGN_OR_RETURN(ScopedFd listener, ListenForGdb(1234));
//   GdbServer server(listener.get(), loop, target);
//
// One debugger at a time: another is turned away. One that goes without a word has detached.
//
// Ownership: all that the constructor takes is borrowed.
// Threads: thread-compatible, on the loop's thread.

#ifndef TOUCHSTONE_VMM_GDB_SERVER_H_
#define TOUCHSTONE_VMM_GDB_SERVER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/event/event_loop.h"
#include "base/scoped_fd.h"
#include "vmm/gdb/session.h"
#include "vmm/gdb/target.h"

namespace touchstone {

// A socket that listens at a TCP port of 127.0.0.1: the protocol knows no password, and who can
// connect owns the machine. Errors name the port; port 0 is one that the host chooses.
absl::StatusOr<ScopedFd> ListenForGdb(uint16_t port);

class GdbServer {
 public:
  // `listener` is a stream socket that listens, without blocking.
  GdbServer(int listener, EventLoop& loop, GdbTarget& target);
  GdbServer(const GdbServer&) = delete;
  GdbServer& operator=(const GdbServer&) = delete;

  // Tells the debugger, if there is one, that the machine ended.
  void Ended(uint8_t status);

 private:
  void Accept();
  // The machine stands still for the debugger that is connected.
  void Begin();
  void Read();
  void Send(absl::string_view bytes);
  void Flush();
  void Disconnect();

  const int listener_;
  EventLoop& loop_;
  GdbTarget& target_;
  Watch accepting_;

  // Of the debugger that is connected.
  ScopedFd client_;
  Watch readable_;
  Watch writable_;
  std::string unsent_;
  std::optional<GdbSession> session_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_GDB_SERVER_H_
