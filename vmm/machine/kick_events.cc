#include "vmm/machine/kick_events.h"

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "base/log.h"

namespace touchstone {
namespace {

IoEvent EventAt(uint64_t address) { return {.space = IoEvent::Space::kMmio, .address = address}; }

}  // namespace

void KickEvents::Update(absl::Span<const VirtioPci::KickAddress> addresses) {
  // Old ones first: a function that moves may come to overlap its old place.
  for (auto event = events_.begin(); event != events_.end();) {
    const VirtioPci::KickAddress known = {event->first, event->second};
    if (absl::c_linear_search(addresses, known)) {
      ++event;
      continue;
    }
    if (absl::Status status = vm_.RemoveIoEvent(EventAt(known.address), *known.event);
        !status.ok()) {
      LOG(kWarning, "virtio", "%s: %s", name_, std::string(status.message()));
    }
    event = events_.erase(event);
  }
  for (const VirtioPci::KickAddress& wanted : addresses) {
    if (events_.contains(wanted.address)) continue;
    if (absl::Status status = vm_.AddIoEvent(EventAt(wanted.address), *wanted.event);
        !status.ok()) {
      LOG(kWarning, "virtio", "%s: kicks cost exits: %s", name_, std::string(status.message()));
      continue;
    }
    events_.emplace(wanted.address, wanted.event);
  }
}

}  // namespace touchstone
