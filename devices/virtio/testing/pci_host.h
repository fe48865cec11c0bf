// A driver and a VirtioDevice with VirtioPci in between: everything goes through the registers, as
// a guest's driver does it (Virtio 1.2, 3.1.1 and 4.1).
//
// With MSI-X, which is the default, vector 0 is the configuration's and vector n + 1 that of queue
// n. Without, interrupts come by the line and cannot be told apart: those of all queues count for
// queue 0.
//
// Ownership: the device is borrowed, and is reset when this goes. Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_TESTING_PCI_HOST_H_
#define TOUCHSTONE_DEVICES_VIRTIO_TESTING_PCI_HOST_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/endian.h"
#include "devices/irq/recording_irq_line.h"
#include "devices/irq/recording_msi_target.h"
#include "devices/virtio/core/virtio_device.h"
#include "devices/virtio/pci/virtio_pci.h"
#include "devices/virtio/testing/virtio_host.h"

namespace touchstone {

class PciHost final : public VirtioHost {
 public:
  struct Options {
    bool msix = true;
  };

  PciHost(VirtioDevice& device, GuestMemory memory) : PciHost(device, std::move(memory), {}) {}
  PciHost(VirtioDevice& device, GuestMemory memory, Options options);
  PciHost(const PciHost&) = delete;
  PciHost& operator=(const PciHost&) = delete;

  [[nodiscard]] uint64_t features() override;
  [[nodiscard]] absl::Span<const uint16_t> max_queue_sizes() const override {
    return device_.max_queue_sizes();
  }
  [[nodiscard]] const GuestMemory& memory() const override { return memory_; }
  // Only the first 4 KiB exist.
  void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) override;
  void WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) override;
  bool Negotiate(uint64_t features) override;
  // REQUIRES: a fresh position.
  bool SetUpQueue(uint16_t index, const QueueLayout& layout,
                  const QueuePosition& position) override;
  bool DriverReady() override;
  void Kick(uint16_t index) override;
  [[nodiscard]] const EventFd& kick(uint16_t index) const override { return *kicks_[index]; }
  // A queue reset, if that was negotiated.
  std::optional<QueuePosition> StopQueue(uint16_t index) override;
  [[nodiscard]] bool keeps_positions() const override { return false; }
  void Reset() override;
  RecordingInterrupt& interrupt() override;
  [[nodiscard]] bool needs_reset() override;

  // The registers of BAR 0 (virtio_pci_registers.h) and the configuration space, for hostile
  // drivers and for looking.
  [[nodiscard]] VirtioPci& function() { return *pci_; }
  template <typename T>
  [[nodiscard]] T Get(uint64_t offset) {
    uint8_t data[sizeof(T)];
    pci_->Read(offset, absl::MakeSpan(data));
    return static_cast<T>(LoadLe(data));
  }
  template <typename T>
  void Put(uint64_t offset, T value) {
    uint8_t data[sizeof(T)];
    StoreLe(value, absl::MakeSpan(data));
    pci_->Write(offset, data);
  }
  [[nodiscard]] RecordingIrqLine& line() { return line_; }

 private:
  void EnableMsix();
  void AddStatus(uint8_t bits);

  VirtioDevice& device_;
  const GuestMemory memory_;
  const Options options_;
  RecordingMsiTarget msi_;
  RecordingIrqLine line_;
  RecordingInterrupt interrupt_;
  std::vector<const EventFd*> kicks_;
  uint64_t features_ = 0;
  uint8_t status_ = 0;  // As it was last written.
  std::unique_ptr<VirtioPci> pci_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_TESTING_PCI_HOST_H_
