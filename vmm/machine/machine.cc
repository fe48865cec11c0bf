#include "vmm/machine/machine.h"

#include <utility>

namespace touchstone {

Machine::Machine(Parts parts) : parts_(std::move(parts)) {}

Machine::~Machine() { Stop(); }

void Machine::Start() {
  for (std::unique_ptr<VcpuThread>& vcpu : parts_.vcpus) vcpu->Start();
}

void Machine::Stop() {
  for (std::unique_ptr<VcpuThread>& vcpu : parts_.vcpus) vcpu->Stop();
  parts_.virtio->Stop();
  parts_.platform->FlushOutputs();
}

}  // namespace touchstone
