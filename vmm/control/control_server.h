// Serves a machine's control socket: one request of a client at a time, many clients.
//
//   ASSIGN_OR_RETURN(UnixListener socket, ListenForControl(path));
//   ControlServer server(std::move(socket), loop,
//                        [&](const ControlRequest& request, auto caller, auto reply) {
//                          reply(ControlDone());
//                        });
//
// No client can hold up the machine or another client: nothing here waits, requests are bounded,
// a client whose request is at work is not read from, and one that does not take its answers, or
// is not the owner of the socket (SO_PEERCRED), is disconnected. What a client does wrong is logged
// once for that client.
//
// Threads: thread-compatible, on the loop's thread.

#ifndef TOUCHSTONE_VMM_CONTROL_CONTROL_SERVER_H_
#define TOUCHSTONE_VMM_CONTROL_CONTROL_SERVER_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/event/event_loop.h"
#include "base/fd_socket.h"
#include "base/scoped_fd.h"
#include "base/unix_listener.h"
#include "vmm/control/control.pb.h"

namespace touchstone {

class ControlServer {
 public:
  // One more makes the oldest without a request at work go.
  static constexpr size_t kMaxClients = 128;
  // How long nobody is let in when this process has no descriptor to spare.
  static constexpr absl::Duration kRetry = absl::Seconds(1);

  // Answers a request: at once or later, on the loop's thread, once. Before that it may say how far
  // it is, any number of times (ControlResponse.more); a client that does not take these misses
  // some. Harmless when the client or the server is gone. Without an answer the client waits as
  // long as it is connected.
  using Reply = absl::AnyInvocable<void(const ControlResponse&)>;
  // Who sent a request.
  struct Caller {
    // Descriptors that came with it, no more than kMaxControlFiles. They may be of anything.
    std::vector<ScopedFd> files;
    // Whether it still waits for the answer. On the loop's thread; null: it does.
    std::function<bool()> waits;
  };
  using Handler = std::function<void(const ControlRequest& request, Caller caller, Reply reply)>;

  // `owner` may connect, nobody else.
  ControlServer(UnixListener socket, EventLoop& loop, Handler handler, uid_t owner);
  ControlServer(UnixListener socket, EventLoop& loop, Handler handler);
  // Disconnects all clients and removes the socket.
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  [[nodiscard]] size_t clients() const { return clients_.size(); }

 private:
  struct Client {
    FdSocket socket;
    Watch readable;         // While no request is at work.
    bool reported = false;  // That it does something wrong.
  };

  void Listen();
  void Accept();
  bool MakeRoom();
  void Await(uint64_t id);
  void Read(uint64_t id);
  void Answer(uint64_t id, const ControlResponse& response);
  [[nodiscard]] bool IsConnected(uint64_t id) const;
  // A request that cannot be served; it is answered, and the first of a client logged.
  void Refuse(uint64_t id, int error, absl::string_view why);

  const UnixListener socket_;
  EventLoop& loop_;
  const Handler handler_;
  const uid_t owner_;
  std::map<uint64_t, Client> clients_;  // By age.
  uint64_t next_id_ = 0;
  // Shared with answers, which may outlive this.
  const std::shared_ptr<ControlServer*> self_;
  Watch accepting_;
  Watch retry_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONTROL_CONTROL_SERVER_H_
