// The guest of net_io.cc: does its loads with the host's end and says so as load_report.h has it.
//
//   net_load HOST GUEST OPERATIONS NAME...
//
// HOST and GUEST are IPv4 addresses. A NAME is nothing, tcp-out, tcp-in, udp-out, udp-in or udp-rr.

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/peers/load_report.h"
#include "bench/peers/net_load.h"

namespace {

using touchstone::LoadFailed;
using touchstone::NetLoad;
using touchstone::NetRequest;

constexpr struct {
  const char* name;
  NetLoad load;
} kLoads[] = {
    {"tcp-out", NetLoad::kTcpOut},      {"tcp-in", NetLoad::kTcpIn},
    {"udp-out", NetLoad::kUdpOut},      {"udp-in", NetLoad::kUdpIn},
    {"udp-rr", NetLoad::kUdpRoundTrip},
};

sockaddr_in Address(const char* ip) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(touchstone::kNetLoadPort);
  if (inet_pton(AF_INET, ip, &address.sin_addr) != 1) LoadFailed(ip);
  return address;
}

int Connect(int type, const char* host, const char* guest) {
  const int fd = socket(AF_INET, type, 0);
  const sockaddr_in from = Address(guest);
  const sockaddr_in to = Address(host);
  if (type == SOCK_DGRAM && bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof(from)) != 0) {
    LoadFailed("bind");
  }
  // The interface may take a moment to be up.
  int tries = 50;
  while (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) {
    if (--tries == 0) LoadFailed("connect");
    usleep(100'000);
  }
  const timeval patience = {.tv_sec = 20, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  return fd;
}

void Run(const char* name, uint32_t operations, const char* host, const char* guest) {
  for (const auto& load : kLoads) {
    if (strcmp(name, load.name) != 0) continue;
    const int tcp = Connect(SOCK_STREAM, host, guest);
    const int udp = Connect(SOCK_DGRAM, host, guest);
    const NetRequest request = {.load = load.load, .operations = operations};
    touchstone::ReportLoad(name, operations, [&] {
      if (send(tcp, &request, sizeof(request), 0) != sizeof(request)) LoadFailed("send");
      if (!touchstone::RunGuestEnd(request, tcp, udp)) LoadFailed(name);
    });
    close(tcp);
    close(udp);
    return;
  }
  if (strcmp(name, "nothing") != 0) LoadFailed(name);
  touchstone::ReportLoad(name, 0, [] {});
}

}  // namespace

int main(int argc, char** argv) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  if (argc < 5) {
    fprintf(stderr, "usage: net_load HOST GUEST OPERATIONS NAME...\n");
    return 2;
  }
  const auto operations = static_cast<uint32_t>(strtoul(argv[3], nullptr, 10));
  for (int i = 4; i < argc; ++i) Run(argv[i], operations, argv[1], argv[2]);
  printf("load done\n");
  return 0;
}
