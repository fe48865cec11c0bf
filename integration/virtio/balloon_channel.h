// The host's end of a balloon's control channel (devices/virtio/balloon/balloon_control.h).
//
//   BalloonChannel channel;
//   std::unique_ptr<Vm> vm = StartVirtioGuest({channel.option()});
//   EXPECT_EQ(channel.Next(), "\"Ready\"");
//   EXPECT_EQ(channel.Adjust(64 << 20), 64 << 20);
//
// Calls wait for at most kPatience. Thread-compatible.

#ifndef TOUCHSTONE_INTEGRATION_VIRTIO_BALLOON_CHANNEL_H_
#define TOUCHSTONE_INTEGRATION_VIRTIO_BALLOON_CHANNEL_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/fd_socket.h"

namespace touchstone {

class BalloonChannel {
 public:
  static constexpr absl::Duration kPatience = absl::Seconds(60);

  // Listens, in a folder of its own.
  BalloonChannel();
  ~BalloonChannel();
  BalloonChannel(const BalloonChannel&) = delete;
  BalloonChannel& operator=(const BalloonChannel&) = delete;

  // For `touchstone run`, which connects.
  [[nodiscard]] std::string option() const;

  // What the machine says next, or why there is nothing.
  std::string Next();
  std::string Ask(absl::string_view command);

  // Sets the size and waits until the guest has it: the size that it has in the end.
  int64_t Adjust(int64_t bytes);
  // Sets the size.
  void Aim(int64_t bytes);
  // A number of the guest's statistics, or "balloon_actual". -1 when it is not among them.
  int64_t Statistic(absl::string_view name);

 private:
  char folder_[24] = "/tmp/balloon_XXXXXX";
  const std::string path_;
  FdListener listener_;
  std::optional<FdSocket> socket_;
};

// The number behind "name": in a JSON text; -1 if there is none.
int64_t NumberIn(absl::string_view json, absl::string_view name);

}  // namespace touchstone

#endif  // TOUCHSTONE_INTEGRATION_VIRTIO_BALLOON_CHANNEL_H_
