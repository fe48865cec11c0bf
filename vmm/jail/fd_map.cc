#include "vmm/jail/fd_map.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "base/log.h"

namespace touchstone {
namespace {

bool CloseRange(unsigned int first, unsigned int last) {
  return syscall(SYS_close_range, first, last, 0) == 0;
}

}  // namespace

void FdMap::Set(int number, int fd, OnExec on_exec) {
  CHECK(number >= 0 && fd >= 0);
  const auto it = std::lower_bound(entries_.begin(), entries_.end(), number,
                                   [](const Entry& entry, int n) { return entry.number < n; });
  if (it != entries_.end() && it->number == number) {
    *it = {number, fd, on_exec};
  } else {
    entries_.insert(it, {number, fd, on_exec});
  }
}

int FdMap::Append(int fd, OnExec on_exec) {
  const int number = entries_.empty() ? 0 : entries_.back().number + 1;
  Set(number, fd, on_exec);
  return number;
}

bool FdMap::Has(int number) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [number](const Entry& entry) { return entry.number == number; });
}

bool FdMap::Apply() {
  if (entries_.empty()) return CloseRange(0, UINT_MAX);
  // First out of the way, so that no number is taken before its descriptor has moved.
  const int above = entries_.back().number + 1;
  for (Entry& entry : entries_) {
    entry.fd = fcntl(entry.fd, F_DUPFD_CLOEXEC, above);
    if (entry.fd < 0) return false;
  }
  unsigned int next = 0;
  for (const Entry& entry : entries_) {
    const int flags = entry.on_exec == OnExec::kClose ? O_CLOEXEC : 0;
    if (dup3(entry.fd, entry.number, flags) < 0) return false;
    const unsigned int number = static_cast<unsigned int>(entry.number);
    if (number > next && !CloseRange(next, number - 1)) return false;
    next = number + 1;
  }
  return CloseRange(next, UINT_MAX);
}

}  // namespace touchstone
