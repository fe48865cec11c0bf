// The balloon's control channel (--balloon-control; crosvm.md 5.8): a SOCK_SEQPACKET socket over
// which another process sets the size and asks for statistics. Each packet is one JSON value.
//
//   command                                              answer
//   {"Adjust":{"num_bytes":N,"allow_failure":false}}     none
//   {"Adjust":{"num_bytes":N,"allow_failure":true}}      {"Adjusted":{"num_bytes":ACTUAL}}, when
//   the
//                                                        guest is there or gets no further
//   "Stats" or {"Stats":{"id":ID}}                       {"Stats":{"stats":{...},
//                                                        "balloon_actual":N}}, with "id" if one
//                                                        came
//   any, while no driver is at work                      "NotReady", and nothing else happens
//   one that cannot be read                              {"Err":"why"}
//
// "Ready" comes by itself when a driver begins to work. An answer that the peer does not take is
// dropped. When the peer goes, the balloon stays as it is.
//
// Ownership: the balloon is borrowed. Threads: thread-compatible, on the loop's thread.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_CONTROL_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_CONTROL_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/event/event_loop.h"
#include "base/event_fd.h"
#include "base/scoped_fd.h"
#include "devices/virtio/balloon/balloon.pb.h"
#include "devices/virtio/balloon/balloon_handle.h"

namespace touchstone {

class BalloonControl {
 public:
  // A guest whose balloon has not changed for so long gets no further.
  static constexpr absl::Duration kSettleTime = absl::Seconds(2);
  static constexpr size_t kMaxCommand = 4096;

  // Connects to the socket at `path`. Errors name it.
  static absl::StatusOr<std::unique_ptr<BalloonControl>> Connect(const std::string& path,
                                                                 EventLoop& loop,
                                                                 BalloonHandle& balloon);
  // `socket` is connected and does not block.
  static absl::StatusOr<std::unique_ptr<BalloonControl>> Create(ScopedFd socket, EventLoop& loop,
                                                                BalloonHandle& balloon);
  ~BalloonControl();
  BalloonControl(const BalloonControl&) = delete;
  BalloonControl& operator=(const BalloonControl&) = delete;

 private:
  BalloonControl(ScopedFd socket, EventFd changed, EventLoop& loop, BalloonHandle& balloon);

  void Readable();
  void Obey(absl::string_view text);
  void Adjust(const BalloonCommand::Adjust& adjust);
  void SendStatistics(const BalloonCommand::Stats& request);
  // The balloon changed.
  void Changed();
  // Answers an Adjust that waits.
  void Settle();
  void Send(absl::string_view text);

  const ScopedFd socket_;
  const EventFd changed_;
  EventLoop& loop_;
  BalloonHandle& balloon_;
  bool was_active_ = false;
  // Shared with requests for statistics, which may outlive this.
  const std::shared_ptr<BalloonControl*> self_;
  Watch readable_;
  Watch change_;
  Watch settling_;  // While an Adjust waits.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_CONTROL_H_
