// A driver and a VirtioDevice with both ends of vhost-user and a socket in between, in one process
// and on one thread: the back end works whenever the front end waits for it.
//
//   GuestDriver -> DirectHost -> VhostUserFrontend -> socket -> VhostUserBackend -> device
//
// Ownership: device and loop are borrowed; the device is reset when this goes. Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_TESTING_VHOST_USER_HOST_H_
#define TOUCHSTONE_DEVICES_VIRTIO_TESTING_VHOST_USER_HOST_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/event/event_loop.h"
#include "base/event/manual_loop.h"
#include "base/event_fd.h"
#include "base/memory/guest_memory.h"
#include "devices/virtio/core/virtio_device.h"
#include "devices/virtio/testing/direct_host.h"
#include "devices/virtio/testing/recording_interrupt.h"
#include "devices/virtio/testing/virtio_host.h"
#include "devices/virtio/vhost_user/backend.h"
#include "devices/virtio/vhost_user/frontend.h"
#include "devices/virtio/vhost_user/frontend_channel.h"

namespace touchstone {

// Lets a back end on this loop work. Its patience is at its end when there is nothing to do.
class TurningWaiter final : public VhostUserWaiter {
 public:
  explicit TurningWaiter(ManualLoop& loop) : loop_(loop) {}

  void Begin() override {}
  bool Wait(int /*fd*/, bool /*writable*/) override { return loop_.RunReady() > 0; }

 private:
  ManualLoop& loop_;
};

class VhostUserHost final : public VirtioHost {
 public:
  // `memory` has a descriptor. Interrupts come on `loop`, which is where the test turns the device.
  VhostUserHost(VirtioDevice& device, GuestMemory memory, EventLoop& loop);

  [[nodiscard]] uint64_t features() override { return direct_->features(); }
  [[nodiscard]] absl::Span<const uint16_t> max_queue_sizes() const override {
    return direct_->max_queue_sizes();
  }
  [[nodiscard]] const GuestMemory& memory() const override { return direct_->memory(); }
  void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) override {
    direct_->ReadConfig(offset, data);
  }
  void WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) override {
    direct_->WriteConfig(offset, data);
  }
  bool Negotiate(uint64_t features) override { return direct_->Negotiate(features); }
  bool SetUpQueue(uint16_t index, const QueueLayout& layout,
                  const QueuePosition& position) override {
    return direct_->SetUpQueue(index, layout, position);
  }
  bool DriverReady() override { return direct_->DriverReady(); }
  void Kick(uint16_t index) override { direct_->Kick(index); }
  [[nodiscard]] const EventFd& kick(uint16_t index) const override { return direct_->kick(index); }
  std::optional<QueuePosition> StopQueue(uint16_t index) override {
    return direct_->StopQueue(index);
  }
  [[nodiscard]] bool keeps_positions() const override { return true; }
  void Reset() override { direct_->Reset(); }
  RecordingInterrupt& interrupt() override { return direct_->interrupt(); }
  [[nodiscard]] bool needs_reset() override { return direct_->needs_reset(); }

  [[nodiscard]] VhostUserFrontend& frontend() { return *frontend_; }
  // Turns the back end.
  [[nodiscard]] ManualLoop& backend_loop() { return backend_loop_; }
  // Why the back end ended the connection, if it has.
  [[nodiscard]] const std::optional<absl::Status>& closed() const { return closed_; }
  // The process of the back end dies.
  void KillBackend() { backend_.reset(); }

 private:
  ManualLoop backend_loop_;
  std::optional<absl::Status> closed_;
  std::unique_ptr<VhostUserBackend> backend_;
  std::unique_ptr<VhostUserFrontend> frontend_;
  std::unique_ptr<DirectHost> direct_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_TESTING_VHOST_USER_HOST_H_
