#include "vmm/machine/machine.h"

#include <utility>

#include "base/status.h"

namespace touchstone {

Machine::Machine(Parts parts) : parts_(std::move(parts)) {}

Machine::~Machine() { Stop(); }

void Machine::Start(const std::function<absl::Status()>& prologue) {
  for (std::unique_ptr<VcpuThread>& vcpu : parts_.vcpus) vcpu->Start(prologue);
}

void Machine::SetDebugHook(DebugHook& hook) {
  for (std::unique_ptr<VcpuThread>& vcpu : parts_.vcpus) vcpu->SetDebugHook(hook);
}

void Machine::Suspend(PauseGate::Done done) {
  parts_.pause->Close(PauseGate::Reason::kHost, std::move(done));
}

void Machine::Resume() {
  platform().acpi_pm().Wake();
  parts_.pause->Open(PauseGate::Reason::kHost);
}

absl::Status Machine::SleepDevices() {
  if (devices_asleep_) return absl::OkStatus();
  RETURN_IF_ERROR(parts_.virtio->Sleep());
  devices_asleep_ = true;
  return absl::OkStatus();
}

void Machine::WakeDevices() {
  if (!devices_asleep_) return;
  parts_.virtio->WakeUp();
  devices_asleep_ = false;
}

absl::Status Machine::MakeRealtime() {
  for (const std::unique_ptr<VcpuThread>& vcpu : parts_.vcpus) {
    RETURN_IF_ERROR(vcpu->MakeRealtime());
  }
  return absl::OkStatus();
}

void Machine::Stop() {
  for (std::unique_ptr<VcpuThread>& vcpu : parts_.vcpus) vcpu->Stop();
  parts_.virtio->Stop();
  if (parts_.split != nullptr) parts_.split->SetBootVcpu(nullptr);
  parts_.platform->FlushOutputs();
}

}  // namespace touchstone
