#include "bench/peers/net_load.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace touchstone {
namespace {

bool Fail(int error) {
  errno = error;
  return false;
}

uint8_t* Chunk() {
  static uint8_t chunk[kTcpChunk];
  return chunk;
}

bool SendChunks(int tcp, uint32_t count) {
  for (uint64_t left = uint64_t{count} * kTcpChunk; left > 0;) {
    const ssize_t sent = send(tcp, Chunk(), std::min<uint64_t>(left, kTcpChunk), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    left -= static_cast<uint64_t>(sent);
  }
  return true;
}

bool ReceiveChunks(int tcp, uint32_t count) {
  for (uint64_t left = uint64_t{count} * kTcpChunk; left > 0;) {
    const ssize_t received = recv(tcp, Chunk(), kTcpChunk, 0);
    if (received <= 0) return received == 0 ? Fail(ECONNRESET) : false;
    left -= std::min(left, static_cast<uint64_t>(received));
  }
  return true;
}

bool SendDatagram(int udp) { return send(udp, Chunk(), kDatagram, 0) == kDatagram; }

bool ReceiveDatagram(int udp) {
  uint8_t datagram[kDatagram];
  return recv(udp, datagram, sizeof(datagram), 0) > 0;
}

bool SendBursts(int udp, uint32_t count, uint32_t burst) {
  for (uint32_t i = 1; i <= count; ++i) {
    if (!SendDatagram(udp)) return false;
    if ((i % burst == 0 || i == count) && !ReceiveDatagram(udp)) return false;
  }
  return true;
}

bool ReceiveBursts(int udp, uint32_t count, uint32_t burst) {
  for (uint32_t i = 1; i <= count; ++i) {
    if (!ReceiveDatagram(udp)) return false;
    if ((i % burst == 0 || i == count) && !SendDatagram(udp)) return false;
  }
  return true;
}

// All of it has arrived when the other end says so.
bool AwaitWord(int tcp) {
  uint8_t word;
  return recv(tcp, &word, sizeof(word), 0) == 1 ? true : Fail(ECONNRESET);
}

bool SayWord(int tcp) { return send(tcp, "k", 1, MSG_NOSIGNAL) == 1; }

}  // namespace

bool RunGuestEnd(const NetRequest& request, int tcp, int udp) {
  switch (request.load) {
    case NetLoad::kTcpOut:
      return SendChunks(tcp, request.operations) && AwaitWord(tcp);
    case NetLoad::kTcpIn:
      return ReceiveChunks(tcp, request.operations);
    case NetLoad::kUdpOut:
      return SendBursts(udp, request.operations, kBurst);
    case NetLoad::kUdpIn:
      return ReceiveBursts(udp, request.operations, kBurst);
    case NetLoad::kUdpRoundTrip:
      return SendBursts(udp, request.operations, 1);
  }
  return Fail(EINVAL);
}

bool RunHostEnd(const NetRequest& request, int tcp, int udp) {
  switch (request.load) {
    case NetLoad::kTcpOut:
      return ReceiveChunks(tcp, request.operations) && SayWord(tcp);
    case NetLoad::kTcpIn:
      return SendChunks(tcp, request.operations);
    case NetLoad::kUdpOut:
      return ReceiveBursts(udp, request.operations, kBurst);
    case NetLoad::kUdpIn:
      return SendBursts(udp, request.operations, kBurst);
    case NetLoad::kUdpRoundTrip:
      return ReceiveBursts(udp, request.operations, 1);
  }
  return Fail(EINVAL);
}

}  // namespace touchstone
