// A driver and a VirtioDevice with nothing in between.
//
// Ownership: the device is borrowed, and is reset when this goes. Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_TESTING_DIRECT_HOST_H_
#define TOUCHSTONE_DEVICES_VIRTIO_TESTING_DIRECT_HOST_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "base/event_fd.h"
#include "devices/virtio/core/virtio_device.h"
#include "devices/virtio/testing/virtio_host.h"

namespace touchstone {

class DirectHost final : public VirtioHost {
 public:
  using Kicks = std::vector<std::shared_ptr<const EventFd>>;

  // `kicks` may lend descriptors, for those who make many hosts: the first ones are used.
  DirectHost(VirtioDevice& device, GuestMemory memory, const Kicks& kicks = {});
  ~DirectHost() override;
  DirectHost(const DirectHost&) = delete;
  DirectHost& operator=(const DirectHost&) = delete;

  [[nodiscard]] uint64_t features() override { return device_.features(); }
  [[nodiscard]] absl::Span<const uint16_t> max_queue_sizes() const override {
    return device_.max_queue_sizes();
  }
  [[nodiscard]] const GuestMemory& memory() const override { return memory_; }
  void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) override;
  void WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) override;
  bool Negotiate(uint64_t features) override;
  bool SetUpQueue(uint16_t index, const QueueLayout& layout,
                  const QueuePosition& position) override;
  bool DriverReady() override;
  void Kick(uint16_t index) override { kicks_[index]->Signal(); }
  [[nodiscard]] const EventFd& kick(uint16_t index) const override { return *kicks_[index]; }
  std::optional<QueuePosition> StopQueue(uint16_t index) override;
  [[nodiscard]] bool keeps_positions() const override { return true; }
  void Reset() override;
  RecordingInterrupt& interrupt() override { return interrupt_; }
  [[nodiscard]] bool needs_reset() override;

 private:
  struct Pending {
    QueueLayout layout;
    QueuePosition position;
  };
  bool Start(uint16_t index, const Pending& pending);

  VirtioDevice& device_;
  const GuestMemory memory_;
  // Few queues need no memory of their own: fuzzers make many hosts.
  absl::InlinedVector<std::shared_ptr<const EventFd>, 8> kicks_;
  RecordingInterrupt interrupt_;
  uint64_t features_ = 0;
  bool ready_ = false;
  bool failed_ = false;
  int broken_before_ = 0;  // When the last reset was.
  absl::InlinedVector<std::optional<Pending>, 8> pending_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_TESTING_DIRECT_HOST_H_
