// The descriptors of a child process, all of them: what is not in the map is closed.
//
//   FdMap fds;
//   fds.Set(STDERR_FILENO, log.get());
//   const int socket_number = fds.Append(socket.get());
//
// Thread-compatible.

#ifndef TOUCHSTONE_VMM_JAIL_FD_MAP_H_
#define TOUCHSTONE_VMM_JAIL_FD_MAP_H_

#include <vector>

namespace touchstone {

class FdMap {
 public:
  enum class OnExec { kKeep, kClose };

  // `fd` becomes `number` in the child. It is borrowed until the child was made. A number that is
  // taken already gets the new descriptor.
  // REQUIRES: number >= 0 and fd >= 0.
  void Set(int number, int fd, OnExec on_exec = OnExec::kKeep);

  // Gives `fd` the number after the highest, and returns it.
  int Append(int fd, OnExec on_exec = OnExec::kKeep);

  [[nodiscard]] bool Has(int number) const;

  struct Entry {
    int number;
    int fd;
    OnExec on_exec;
  };

  // By number.
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }

  // Makes the calling process's descriptors those of the map, whatever numbers they have now.
  // Returns false, with errno, when that fails half-way. Async-signal-safe: it is for a child
  // between fork and exec.
  bool Apply();

 private:
  std::vector<Entry> entries_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_JAIL_FD_MAP_H_
