// The program of the guest in vsock_test: one end of AF_VSOCK sockets.
//
//   vsock_peer echo PORT [CONNECTIONS]        serves connections to PORT
//   vsock_peer check CID PORT N BYTES         opens N at once, and checks what an echo sends back
//   vsock_peer say CID PORT TEXT              says TEXT, ends sending, prints what comes until the
//   end vsock_peer refused CID PORT               prints the error of a connection that is refused

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "integration/virtio/vsock_peer.h"

namespace touchstone {
namespace {

constexpr int kPatience = 60;  // Seconds without progress.

int Fail(const char* what) {
  printf("%s: %s\n", what, strerror(errno));
  return 1;
}

uint32_t Number(const char* text) { return static_cast<uint32_t>(strtoul(text, nullptr, 10)); }

int Serve(uint32_t port, int connections) {
  const int listener = ListenVsock(port);
  if (listener < 0) return Fail("listen");
  // Who asks for this to run in the background waits for this line.
  puts("listening");
  fflush(stdout);
  EchoUntil(listener, -1, connections);
  return 0;
}

int CheckMany(uint32_t cid, uint32_t port, uint32_t count, size_t bytes) {
  std::vector<int> sockets;
  for (uint32_t i = 0; i < count; ++i) {
    sockets.push_back(ConnectVsock(cid, port));
    if (sockets.back() < 0) return Fail(("connect " + std::to_string(i)).c_str());
  }
  const std::string wrong = CheckEcho(sockets, bytes, kPatience);
  puts(wrong.empty() ? "good" : wrong.c_str());
  return wrong.empty() ? 0 : 1;
}

int SayAndHear(uint32_t cid, uint32_t port, const std::string& text) {
  const int fd = ConnectVsock(cid, port);
  if (fd < 0) return Fail("connect");
  if (send(fd, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) {
    return Fail("send");
  }
  if (shutdown(fd, SHUT_WR) != 0) return Fail("shutdown");
  char bytes[256];
  ssize_t count;
  while ((count = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
    fwrite(bytes, 1, static_cast<size_t>(count), stdout);
  }
  puts("");
  return count == 0 ? 0 : Fail("receive");
}

int Main(const std::vector<const char*>& arguments) {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  const std::string command = arguments.empty() ? "" : arguments[0];
  if (command == "echo" && arguments.size() >= 2) {
    return Serve(Number(arguments[1]),
                 arguments.size() > 2 ? static_cast<int>(Number(arguments[2])) : 0);
  }
  if (command == "check" && arguments.size() == 5) {
    return CheckMany(Number(arguments[1]), Number(arguments[2]), Number(arguments[3]),
                     Number(arguments[4]));
  }
  if (command == "say" && arguments.size() == 4) {
    return SayAndHear(Number(arguments[1]), Number(arguments[2]), arguments[3]);
  }
  if (command == "refused" && arguments.size() == 3) {
    if (ConnectVsock(Number(arguments[1]), Number(arguments[2])) >= 0) return 1;
    puts(strerror(errno));
    return 0;
  }
  puts("vsock_peer: unknown command");
  return 2;
}

}  // namespace
}  // namespace touchstone

int main(int argc, char** argv) { return touchstone::Main({argv + 1, argv + argc}); }
