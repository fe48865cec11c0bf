#include "devices/virtio/pci/pci_interrupt.h"

#include <utility>

#include "devices/virtio/pci/virtio_pci_registers.h"
#include "devices/virtio/pci/virtio_pci_state.pb.h"

namespace touchstone {

PciInterrupt::PciInterrupt(Msix& msix, uint16_t vectors, size_t queues)
    : msix_(msix),
      vectors_(vectors),
      queue_vectors_(queues),
      config_vector_(kVirtioNoVector),
      watches_(queues) {
  for (std::atomic<uint16_t>& vector : queue_vectors_) vector = kVirtioNoVector;
}

void PciInterrupt::SignalQueue(uint16_t index) {
  if (index >= queue_vectors_.size()) return;
  // Virtio 1.2, 4.1.5.3.1: with MSI-X the vector is all; a queue without one stays silent.
  if (msix_.enabled()) return msix_.Signal(queue_vectors_[index]);
  RaiseIsr(kVirtioIsrQueue);
}

void PciInterrupt::SignalConfig() {
  ++generation_;
  if (msix_.enabled()) return msix_.Signal(config_vector_);
  RaiseIsr(kVirtioIsrConfig);
}

void PciInterrupt::QueueBroken(uint16_t /*index*/) { SetNeedsReset(); }

void PciInterrupt::WatchTrigger(uint16_t index, const TriggerWatch& watch) {
  MutexLock lock(watch_mutex_);
  Watched& watched = watches_[index];
  watched = {watch, msix_.trigger(queue_vectors_[index])};
  if (watched.watch) watched.watch(watched.told);
}

// Each asks for the state as it is now, so that of two changes at once the later call tells both.
void PciInterrupt::TellTriggers() {
  MutexLock lock(watch_mutex_);
  for (size_t i = 0; i < watches_.size(); ++i) {
    Watched& watched = watches_[i];
    if (!watched.watch) continue;
    const EventFd* const trigger = msix_.trigger(queue_vectors_[i]);
    if (std::exchange(watched.told, trigger) != trigger) watched.watch(trigger);
  }
}

void PciInterrupt::SetNeedsReset() {
  needs_reset_ = true;
  SignalConfig();
}

uint16_t PciInterrupt::Existing(uint32_t vector) const {
  return vector < vectors_ ? static_cast<uint16_t>(vector) : kVirtioNoVector;
}

void PciInterrupt::SetQueueVector(uint16_t queue, uint16_t vector) {
  queue_vectors_[queue] = Existing(vector);
  TellTriggers();
}

void PciInterrupt::SetConfigVector(uint16_t vector) { config_vector_ = Existing(vector); }

uint8_t PciInterrupt::ReadIsr() {
  MutexLock lock(mutex_);
  // Virtio 1.2, 4.1.4.5.1: reading clears the register and lowers the line.
  const uint8_t bits = std::exchange(isr_, 0);
  UpdateLine();
  return bits;
}

bool PciInterrupt::intx_pending() {
  MutexLock lock(mutex_);
  return isr_ != 0;
}

void PciInterrupt::Connect(IrqLine* line) {
  MutexLock lock(mutex_);
  line_ = line;
}

void PciInterrupt::AllowIntx(bool allowed) {
  MutexLock lock(mutex_);
  allowed_ = allowed;
  UpdateLine();
}

void PciInterrupt::Save(VirtioPciState& state) {
  for (size_t i = 0; i < queue_vectors_.size(); ++i) {
    state.mutable_queues(static_cast<int>(i))->set_vector(queue_vectors_[i]);
  }
  state.set_config_vector(config_vector_);
  state.set_generation(generation_);
  MutexLock lock(mutex_);
  state.set_isr(isr_);
}

void PciInterrupt::Restore(const VirtioPciState& state, bool needs_reset) {
  for (size_t i = 0; i < queue_vectors_.size(); ++i) {
    queue_vectors_[i] = Existing(state.queues(static_cast<int>(i)).vector());
  }
  config_vector_ = Existing(state.config_vector());
  generation_ = static_cast<uint8_t>(state.generation());
  needs_reset_ = needs_reset;
  TellTriggers();
  RaiseIsr(static_cast<uint8_t>(state.isr() & (kVirtioIsrQueue | kVirtioIsrConfig)));
}

void PciInterrupt::Reset() {
  for (std::atomic<uint16_t>& vector : queue_vectors_) vector = kVirtioNoVector;
  config_vector_ = kVirtioNoVector;
  TellTriggers();
  needs_reset_ = false;
  ReadIsr();
}

void PciInterrupt::RaiseIsr(uint8_t bits) {
  MutexLock lock(mutex_);
  isr_ |= bits;
  UpdateLine();
}

void PciInterrupt::UpdateLine() {
  if (line_ != nullptr) line_->Set(isr_ != 0 && allowed_);
}

}  // namespace touchstone
