#include "vmm/machine/cpu/cpu_topology.h"

#include "base/log.h"

namespace touchstone {

CpuTopology ChooseTopology(uint32_t vcpus, bool smt) {
  CHECK(vcpus > 0);
  const uint32_t threads_per_core = smt && vcpus % 2 == 0 ? 2 : 1;
  return {.threads_per_core = threads_per_core, .cores = vcpus / threads_per_core, .sockets = 1};
}

uint32_t ApicId(const CpuTopology& topology, uint32_t index) {
  CHECK(index < topology.vcpus());
  const uint32_t thread = index % topology.threads_per_core;
  const uint32_t core = index / topology.threads_per_core % topology.cores;
  const uint32_t socket = index / topology.threads();
  return socket << topology.socket_shift() | core << topology.thread_bits() | thread;
}

}  // namespace touchstone
