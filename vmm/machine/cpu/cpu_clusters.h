// Clusters: cores that share a level 2 cache, and the APIC ids that can say so.
//
//   // 6 vCPUs, one thread a core: 0 to 2 share a cache, so do 3 and 4, and 5 has its own.
//   PlaceCpus(ChooseTopology(6, false), {{0, 1, 2}, {3, 4}})      // APIC ids 0 1 2, 4 5, 6
//
// A processor tells who shares a cache by a number of low bits that the APIC ids of all of them
// have in common above (Intel SDM volume 2, CPUID leaf 4, EAX bits 25 to 14; AMD APM volume 3,
// leaf 0x8000001D). So a cluster begins at a multiple of its size, rounded up to a power of two.

#ifndef TOUCHSTONE_VMM_MACHINE_CPU_CPU_CLUSTERS_H_
#define TOUCHSTONE_VMM_MACHINE_CPU_CPU_CLUSTERS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "vmm/machine/cpu/cpu_topology.h"

namespace touchstone {

struct CpuPlaces {
  // Its core_places have room for the gaps.
  CpuTopology topology;
  std::vector<CpuPlace> places;  // By vCPU.
};

// What is in no cluster has a level 2 cache for its core. InvalidArgument for a cluster that splits
// a core, and when the ids would pass those that there are. REQUIRES: one socket; the clusters have
// vCPUs of it, each in one of them at most.
absl::StatusOr<CpuPlaces> PlaceCpus(CpuTopology topology,
                                    absl::Span<const std::vector<uint32_t>> clusters);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_CPU_CPU_CLUSTERS_H_
