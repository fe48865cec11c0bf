// How vCPUs are threads of cores of sockets, and the APIC ids that say so.
//
//   const CpuTopology topology = ChooseTopology(8, /*smt=*/true);   // 2 threads, 4 cores, 1 socket
//   ApicId(topology, 5)                                             // core 2, thread 1: 5
//
// An APIC id is three bit fields, socket | core | thread, each as wide as its count needs (Intel
// SDM volume 3, 9.9.1): ids have gaps where a count is no power of two and a higher field follows.

#ifndef TOUCHSTONE_VMM_MACHINE_CPU_CPU_TOPOLOGY_H_
#define TOUCHSTONE_VMM_MACHINE_CPU_CPU_TOPOLOGY_H_

#include <algorithm>
#include <bit>
#include <cstdint>

namespace touchstone {

struct CpuTopology {
  uint32_t threads_per_core = 1;
  uint32_t cores = 1;  // per socket
  uint32_t sockets = 1;
  // Cores that a socket's APIC ids have room for, when that is more than there are.
  uint32_t core_places = 0;

  // Of one socket.
  [[nodiscard]] constexpr uint32_t threads() const { return threads_per_core * cores; }
  [[nodiscard]] constexpr uint32_t vcpus() const { return threads() * sockets; }

  // Widths of the APIC id's fields.
  [[nodiscard]] constexpr int thread_bits() const { return std::bit_width(threads_per_core - 1); }
  [[nodiscard]] constexpr int core_bits() const {
    return std::bit_width(std::max(cores, core_places) - 1);
  }
  [[nodiscard]] constexpr int socket_shift() const { return thread_bits() + core_bits(); }

  bool operator==(const CpuTopology&) const = default;
};

// Where a vCPU is.
struct CpuPlace {
  uint32_t apic_id = 0;
  // The low bits of the id in which those differ that share its level 2 cache.
  int l2_bits = 0;

  bool operator==(const CpuPlace&) const = default;
};

// One socket; two threads per core when `smt` and the count is even, else one. REQUIRES: vcpus > 0.
CpuTopology ChooseTopology(uint32_t vcpus, bool smt);

// The APIC id of a vCPU. REQUIRES: index < topology.vcpus().
uint32_t ApicId(const CpuTopology& topology, uint32_t index);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_CPU_CPU_TOPOLOGY_H_
