// A number that the hypervisor keeps of a vCPU since it was made.

#ifndef TOUCHSTONE_HYPERVISOR_VCPU_COUNTER_H_
#define TOUCHSTONE_HYPERVISOR_VCPU_COUNTER_H_

#include <cstdint>
#include <string>

namespace touchstone {

struct VcpuCounter {
  std::string name;  // As the hypervisor calls it: KVM's "exits", "io_exits", "halt_exits".
  uint64_t value = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_VCPU_COUNTER_H_
