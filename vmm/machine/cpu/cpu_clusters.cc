#include "vmm/machine/cpu/cpu_clusters.h"

#include <algorithm>
#include <bit>
#include <set>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"

namespace touchstone {
namespace {

// Those of local APIC structures and of ICR without remapping: 255 is the broadcast.
constexpr uint32_t kLastApicId = 254;

using Cores = std::vector<uint32_t>;

absl::StatusOr<Cores> CoresOf(const CpuTopology& topology, absl::Span<const uint32_t> cluster) {
  const std::set<uint32_t> vcpus(cluster.begin(), cluster.end());
  std::set<uint32_t> cores;
  for (const uint32_t vcpu : vcpus) cores.insert(vcpu / topology.threads_per_core);
  if (cores.size() * topology.threads_per_core == vcpus.size()) {
    return Cores(cores.begin(), cores.end());
  }
  const auto split = *std::find_if(cores.begin(), cores.end(), [&](uint32_t core) {
    const uint32_t first = core * topology.threads_per_core;
    return !vcpus.contains(first) || !vcpus.contains(first + 1);
  });
  return absl::InvalidArgumentError(absl::StrCat(
      "virtual CPUs ", split * topology.threads_per_core, " and ",
      split * topology.threads_per_core + 1,
      " are threads of one core, so a cluster has both or none of them; --no-smt makes "
      "each a core"));
}

}  // namespace

absl::StatusOr<CpuPlaces> PlaceCpus(CpuTopology topology,
                                    absl::Span<const std::vector<uint32_t>> clusters) {
  CHECK(topology.sockets == 1);
  std::vector<Cores> groups;
  std::set<uint32_t> alone;
  for (uint32_t core = 0; core < topology.cores; ++core) alone.insert(core);
  for (const std::vector<uint32_t>& cluster : clusters) {
    ASSIGN_OR_RETURN(Cores cores, CoresOf(topology, cluster));
    for (const uint32_t core : cores) alone.erase(core);
    if (!cores.empty()) groups.push_back(std::move(cores));
  }
  // The largest first, so that none leaves a gap before it.
  std::sort(groups.begin(), groups.end(), [](const Cores& a, const Cores& b) {
    return std::make_tuple(std::bit_ceil(b.size()), a.front()) <
           std::make_tuple(std::bit_ceil(a.size()), b.front());
  });
  for (const uint32_t core : alone) groups.push_back({core});

  CpuPlaces result = {.places = std::vector<CpuPlace>(topology.vcpus())};
  uint32_t next = 0, last_id = 0;
  for (const Cores& cores : groups) {
    const int cluster_bits = std::bit_width(cores.size() - 1);
    for (uint32_t i = 0; i < cores.size(); ++i) {
      for (uint32_t thread = 0; thread < topology.threads_per_core; ++thread) {
        last_id = (next + i) << topology.thread_bits() | thread;
        result.places[cores[i] * topology.threads_per_core + thread] = {
            .apic_id = last_id, .l2_bits = topology.thread_bits() + cluster_bits};
      }
    }
    topology.core_places = next + static_cast<uint32_t>(cores.size());
    next += uint32_t{1} << cluster_bits;
  }
  if (last_id > kLastApicId) {
    return absl::InvalidArgumentError(
        absl::StrCat("they need APIC ids up to ", last_id, ", there are those up to ", kLastApicId,
                     ": a cluster takes as many as the next power of two"));
  }
  result.topology = topology;
  return result;
}

}  // namespace touchstone
