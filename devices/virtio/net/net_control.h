// The commands of a network device's control queue (Virtio 1.2, 5.1.6.5): filter, address, number
// of pairs, offloads. A command that makes no sense, or that was not negotiated, is answered with
// an error and changes nothing.
//
// Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_NET_NET_CONTROL_H_
#define TOUCHSTONE_DEVICES_VIRTIO_NET_NET_CONTROL_H_

#include <cstdint>

#include "devices/virtio/core/chain.h"
#include "devices/virtio/net/net_protocol.h"
#include "devices/virtio/net/receive_filter.h"

namespace touchstone {

class NetControl {
 public:
  // What a command may ask of the device. False is an error for the driver.
  class Target {
   public:
    virtual ~Target() = default;
    virtual ReceiveFilter& filter() = 0;
    virtual void SetMac(const MacAddress& mac) = 0;
    virtual bool SetPairs(uint16_t pairs) = 0;
    virtual bool SetGuestOffloads(uint64_t offloads) = 0;
  };

  explicit NetControl(Target& target) : target_(target) {}

  // Obeys one command, answers it, and completes the chain. `features` is what was negotiated.
  void Handle(ReadableChain chain, uint64_t features);

 private:
  bool Obey(ReadableChain& command, uint64_t features);
  bool Receive(uint8_t command, ReadableChain& data);
  bool Mac(uint8_t command, ReadableChain& data, uint64_t features);
  bool MacTable(ReadableChain& data);

  Target& target_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_NET_NET_CONTROL_H_
