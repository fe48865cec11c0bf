// A temporary folder for sockets, whose names may have a hundred bytes.

#ifndef TOUCHSTONE_INTEGRATION_VIRTIO_SOCKET_FOLDER_H_
#define TOUCHSTONE_INTEGRATION_VIRTIO_SOCKET_FOLDER_H_

#include <cstdlib>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/log.h"

namespace touchstone {

// Goes with all that is in it.
class SocketFolder {
 public:
  SocketFolder() { CHECK(mkdtemp(path_) != nullptr); }
  ~SocketFolder() { std::filesystem::remove_all(path_); }
  SocketFolder(const SocketFolder&) = delete;
  SocketFolder& operator=(const SocketFolder&) = delete;

  [[nodiscard]] std::string File(const std::string& name) const {
    return absl::StrCat(path_, "/", name);
  }

 private:
  char path_[32] = "/tmp/vhost_user.XXXXXX";
};

}  // namespace touchstone

#endif  // TOUCHSTONE_INTEGRATION_VIRTIO_SOCKET_FOLDER_H_
