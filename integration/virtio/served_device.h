// A device of ours in its own process (`touchstone device`), and the socket where it listens.

#ifndef TOUCHSTONE_INTEGRATION_VIRTIO_SERVED_DEVICE_H_
#define TOUCHSTONE_INTEGRATION_VIRTIO_SERVED_DEVICE_H_

#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "integration/testing/child_process.h"
#include "integration/testing/runfiles.h"
#include "integration/virtio/socket_folder.h"

namespace touchstone {

class ServedDevice {
 public:
  // Returns when it listens, or is gone.
  ServedDevice(const SocketFolder& folder, const std::string& type,
               std::vector<std::string> options)
      : socket_(folder.File(type)) {
    unlink(socket_.c_str());
    std::vector<std::string> command = {Runfile("vmm/touchstone"), "device", type,
                                        absl::StrCat("--socket-path=", socket_)};
    command.insert(command.end(), options.begin(), options.end());
    process_ = ChildProcess::Start(std::move(command), ChildProcess::Streams::kPipes).value();
    const absl::Time deadline = absl::Now() + absl::Minutes(3);
    while (access(socket_.c_str(), F_OK) != 0 && absl::Now() < deadline && !process_->Poll()) {
      process_->Pump(absl::Milliseconds(10));
    }
  }

  [[nodiscard]] const std::string& socket() const { return socket_; }
  [[nodiscard]] ChildProcess& process() { return *process_; }

 private:
  std::string socket_;
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_INTEGRATION_VIRTIO_SERVED_DEVICE_H_
