// Turns the notify points of one virtio function into ioeventfds, so that a guest's kick reaches
// the device without an exit to this process.
//
//   KickEvents events(vm, "rng");
//   options.on_kick_addresses = [&](auto addresses) { events.Update(addresses); };
//
// They accept any width: KVM looks for such an event before it decodes the instruction (api.rst
// 4.59; Virtio 1.2, 4.1.5.2: drivers write 16 or 32 bits). An event that the hypervisor refuses
// costs speed only, since the write then exits and the function signals the same descriptor.
//
// Ownership: the VM is borrowed; events are removed when this goes. Thread-compatible.

#ifndef TOUCHSTONE_VMM_MACHINE_KICK_EVENTS_H_
#define TOUCHSTONE_VMM_MACHINE_KICK_EVENTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/types/span.h"
#include "base/event_fd.h"
#include "devices/virtio/pci/virtio_pci.h"
#include "hypervisor/vm.h"

namespace touchstone {

class KickEvents {
 public:
  // `name` is for the log.
  KickEvents(Vm& vm, std::string name) : vm_(vm), name_(std::move(name)) {}
  ~KickEvents() { Update({}); }
  KickEvents(const KickEvents&) = delete;
  KickEvents& operator=(const KickEvents&) = delete;

  // Makes exactly these addresses events. Their descriptors stay open until they are gone from the
  // list.
  void Update(absl::Span<const VirtioPci::KickAddress> addresses);

 private:
  Vm& vm_;
  const std::string name_;
  std::map<uint64_t, const EventFd*> events_;  // What the VM has, by address.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_KICK_EVENTS_H_
