// The files and connections of a jailed process: those that its parent has opened, by the paths
// that the parent's user calls them by, and those that a ConnectBroker makes.
//
// Thread-safe.

#ifndef TOUCHSTONE_VMM_JAIL_JAILED_FILES_H_
#define TOUCHSTONE_VMM_JAIL_JAILED_FILES_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/fd_socket.h"
#include "base/file_provider.h"
#include "base/mutex.h"
#include "base/scoped_fd.h"

namespace touchstone {

class JailedFiles final : public FileProvider {
 public:
  struct File {
    std::string path;
    int access = 0;  // O_RDONLY, O_WRONLY or O_RDWR.
    int fd = -1;     // Borrowed, and open for good.
  };

  // An invalid broker connects to nothing.
  JailedFiles(std::vector<File> files, FdSocket broker)
      : files_(std::move(files)), broker_(std::move(broker)) {}

  absl::StatusOr<ScopedFd> Open(absl::string_view path, int flags) override;
  absl::StatusOr<ScopedFd> Connect(absl::string_view path, int type) override;

 private:
  const std::vector<File> files_;
  Mutex mutex_;  // One question at a time.
  const FdSocket broker_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_JAIL_JAILED_FILES_H_
