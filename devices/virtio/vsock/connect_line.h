// The line by which a program of the host says which port of the guest it wants: "CONNECT 1234\n".
//
//   ConnectLine line;
//   switch (line.Take(bytes, taken)) ...   // As bytes come; `taken` of them belong to the line.
//
// Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VSOCK_CONNECT_LINE_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VSOCK_CONNECT_LINE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace touchstone {

class ConnectLine {
 public:
  enum class State {
    kMore,     // Incomplete.
    kPort,     // Complete; port() says which.
    kInvalid,  // No such line; kept from then on.
  };

  // "CONNECT 4294967295\n", and a little for those who send a carriage return.
  static constexpr size_t kMaxSize = 20;

  // Takes the part of `bytes` that belongs to the line, the newline included, and puts its size
  // into `taken`.
  State Take(absl::string_view bytes, size_t& taken);

  [[nodiscard]] uint32_t port() const { return port_; }

 private:
  State Parse();

  std::string line_;
  State state_ = State::kMore;
  uint32_t port_ = 0;
};

// The answer once the guest has accepted: "OK 1073741824\n", with the port of the host's side.
std::string AcceptedLine(uint32_t host_port);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VSOCK_CONNECT_LINE_H_
