// Interrupts of a virtio-pci function: MSI-X vectors while MSI-X is enabled, the ISR register and
// INTx otherwise (Virtio 1.2, 4.1.5.3 and 4.1.5.4).
//
// The device signals from its loop while the guest changes vectors and a vCPU resets the device, so
// this takes no lock of the transport. A queue's trigger is that of its vector while the vector can
// be sent: whoever signals it then does not come through here. Thread-safe.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_PCI_PCI_INTERRUPT_H_
#define TOUCHSTONE_DEVICES_VIRTIO_PCI_PCI_INTERRUPT_H_

#include <atomic>
#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/event_fd.h"
#include "base/mutex.h"
#include "devices/irq/irq_line.h"
#include "devices/pci/msix.h"
#include "devices/virtio/core/virtio_interrupt.h"

namespace touchstone {

class VirtioPciState;  // virtio_pci_state.pb.h

class PciInterrupt final : public VirtioInterrupt {
 public:
  // Borrows `msix`, which has `vectors` of them.
  PciInterrupt(Msix& msix, uint16_t vectors, size_t queues);

  // --- The device's side.
  void SignalQueue(uint16_t index) override;
  void SignalConfig() override;
  void QueueBroken(uint16_t index) override;
  void WatchTrigger(uint16_t index, const TriggerWatch& watch) override;

  // --- The transport's side.
  // The device gave up: the status says so, and the driver is told of a change (Virtio 1.2, 2.1.2).
  void SetNeedsReset();
  [[nodiscard]] bool needs_reset() const { return needs_reset_; }
  // Changes whenever the device's configuration did (Virtio 1.2, 4.1.4.3.1).
  [[nodiscard]] uint8_t generation() const { return generation_; }

  // A vector that does not exist becomes kVirtioNoVector (Virtio 1.2, 4.1.5.1.2.1). REQUIRES: the
  // queue exists.
  void SetQueueVector(uint16_t queue, uint16_t vector);
  [[nodiscard]] uint16_t queue_vector(uint16_t queue) const { return queue_vectors_[queue]; }
  void SetConfigVector(uint16_t vector);
  // The guest wrote to the MSI-X capability or table.
  void MsixChanged() { TellTriggers(); }
  [[nodiscard]] uint16_t config_vector() const { return config_vector_; }

  // Returns the ISR bits and clears them, which lowers the line.
  uint8_t ReadIsr();
  [[nodiscard]] bool intx_pending();

  // The line of this function, or none. Borrowed.
  void Connect(IrqLine* line);
  // Whether the guest lets the function use its line: not while MSI-X is enabled or the command
  // register says no.
  void AllowIntx(bool allowed);

  // Fills in the vectors, the ISR bits and the generation.
  void Save(VirtioPciState& state);
  // Vectors that do not exist become kVirtioNoVector, bits that do not exist are dropped. REQUIRES:
  // a state of as many queues.
  void Restore(const VirtioPciState& state, bool needs_reset);

  // As after power-on, but for the line and the generation.
  void Reset();

 private:
  struct Watched {
    TriggerWatch watch;
    const EventFd* told = nullptr;
  };

  void TellTriggers();
  void RaiseIsr(uint8_t bits);
  void UpdateLine() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] uint16_t Existing(uint32_t vector) const;

  Msix& msix_;
  const uint16_t vectors_;
  // Relaxed would do for all of these: each says what the guest last wrote, and nothing else is
  // read on the strength of it.
  std::vector<std::atomic<uint16_t>> queue_vectors_;
  std::atomic<uint16_t> config_vector_;
  std::atomic<uint8_t> generation_{0};
  std::atomic<bool> needs_reset_{false};

  // Held while watches are called.
  Mutex watch_mutex_;
  std::vector<Watched> watches_ ABSL_GUARDED_BY(watch_mutex_);  // By queue.

  Mutex mutex_;
  uint8_t isr_ ABSL_GUARDED_BY(mutex_) = 0;
  IrqLine* line_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool allowed_ ABSL_GUARDED_BY(mutex_) = true;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_PCI_PCI_INTERRUPT_H_
