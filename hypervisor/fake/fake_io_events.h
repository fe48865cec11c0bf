// The ioeventfds of a fake VM: which guest writes become signals.
//
// Matches as KVM does (api.rst 4.59): same space and address, size 0 or equal, match absent or
// equal. Shared by the VM and its vCPUs. Thread-safe.

#ifndef TOUCHSTONE_HYPERVISOR_FAKE_FAKE_IO_EVENTS_H_
#define TOUCHSTONE_HYPERVISOR_FAKE_FAKE_IO_EVENTS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/event_fd.h"
#include "base/mutex.h"
#include "hypervisor/vm.h"

namespace touchstone {

class FakeIoEvents {
 public:
  // InvalidArgument for a size that does not exist or a match without a size, AlreadyExists when
  // another event would match the same write.
  absl::Status Add(const IoEvent& io_event, const EventFd& event);
  // NotFound unless added with the same descriptor.
  absl::Status Remove(const IoEvent& io_event, const EventFd& event);

  // Signals the event that the write matches; false when there is none.
  bool Write(IoEvent::Space space, uint64_t address, uint8_t size, uint64_t value);

  [[nodiscard]] size_t size() const;
  // True when this very event is registered.
  [[nodiscard]] bool Has(const IoEvent& io_event) const;

 private:
  struct Entry {
    IoEvent io_event;
    // The caller's, to recognise it at Remove.
    int caller_fd;
    EventFd event;
  };

  mutable Mutex mutex_;
  std::vector<Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_FAKE_FAKE_IO_EVENTS_H_
