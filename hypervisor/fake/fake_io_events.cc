#include "hypervisor/fake/fake_io_events.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace touchstone {
namespace {

bool IsValidSize(uint8_t size) {
  return size == 0 || size == 1 || size == 2 || size == 4 || size == 8;
}

// True when some write matches both.
bool Collide(const IoEvent& a, const IoEvent& b) {
  if (a.space != b.space || a.address != b.address) return false;
  if (a.size != 0 && b.size != 0 && a.size != b.size) return false;
  return !a.match.has_value() || !b.match.has_value() || a.match == b.match;
}

bool Matches(const IoEvent& io_event, IoEvent::Space space, uint64_t address, uint8_t size,
             uint64_t value) {
  return io_event.space == space && io_event.address == address &&
         (io_event.size == 0 || io_event.size == size) &&
         (!io_event.match.has_value() || *io_event.match == value);
}

}  // namespace

absl::Status FakeIoEvents::Add(const IoEvent& io_event, const EventFd& event) {
  if (!IsValidSize(io_event.size) || (io_event.size == 0 && io_event.match.has_value())) {
    return absl::InvalidArgumentError(
        absl::StrCat("ioeventfd at 0x", absl::Hex(io_event.address), ": bad size or match"));
  }
  ASSIGN_OR_RETURN(EventFd duplicate, event.Duplicate());
  MutexLock lock(mutex_);
  for (const Entry& entry : entries_) {
    if (Collide(entry.io_event, io_event)) {
      return absl::AlreadyExistsError(absl::StrCat("ioeventfd at 0x", absl::Hex(io_event.address)));
    }
  }
  entries_.push_back({io_event, event.fd(), std::move(duplicate)});
  return absl::OkStatus();
}

absl::Status FakeIoEvents::Remove(const IoEvent& io_event, const EventFd& event) {
  MutexLock lock(mutex_);
  const size_t removed = std::erase_if(entries_, [&](const Entry& entry) {
    return entry.io_event == io_event && entry.caller_fd == event.fd();
  });
  if (removed == 0) {
    return absl::NotFoundError(absl::StrCat("ioeventfd at 0x", absl::Hex(io_event.address)));
  }
  return absl::OkStatus();
}

bool FakeIoEvents::Write(IoEvent::Space space, uint64_t address, uint8_t size, uint64_t value) {
  MutexLock lock(mutex_);
  for (const Entry& entry : entries_) {
    if (!Matches(entry.io_event, space, address, size, value)) continue;
    entry.event.Signal();
    return true;
  }
  return false;
}

size_t FakeIoEvents::size() const {
  MutexLock lock(mutex_);
  return entries_.size();
}

bool FakeIoEvents::Has(const IoEvent& io_event) const {
  MutexLock lock(mutex_);
  return std::any_of(entries_.begin(), entries_.end(),
                     [&](const Entry& entry) { return entry.io_event == io_event; });
}

}  // namespace touchstone
