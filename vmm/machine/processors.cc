#include "vmm/machine/processors.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/log.h"
#include "base/status.h"
#include "vmm/config/cpu_set.h"
#include "vmm/machine/cpu/cpu_clusters.h"
#include "vmm/machine/cpu/cpu_topology.h"
#include "vmm/machine/cpu/cpuid.h"
#include "vmm/machine/cpu/host_brand.h"
#include "vmm/machine/cpu/host_cpu.h"
#include "vmm/machine/cpu/tsc.h"

namespace touchstone {
namespace {

constexpr absl::Duration kTscMeasurement = absl::Milliseconds(50);

std::optional<CoreType> CoreTypeOf(const CoreTypes& types, uint32_t vcpu) {
  const auto has = [vcpu](const auto& list) {
    return std::find(list.begin(), list.end(), vcpu) != list.end();
  };
  if (has(types.atom())) return CoreType::kAtom;
  if (has(types.core())) return CoreType::kCore;
  return std::nullopt;
}

// crosvm.md 1.3.
uint32_t BootCpu(const CpuConfig& config) {
  if (config.boot_cpu() < config.num_cores()) return config.boot_cpu();
  LOG(kWarning, "cpus", "--cpus: boot-cpu=%d: there are virtual CPUs 0 to %d; 0 starts first",
      config.boot_cpu(), config.num_cores() - 1);
  return 0;
}

// Either option says them.
absl::StatusOr<CpuPlaces> PlaceInClusters(const RunConfig& config, const CpuTopology& topology) {
  std::vector<std::vector<uint32_t>> clusters;
  for (const CpuSet& set : config.cpus().clusters()) {
    clusters.emplace_back(set.cpu().begin(), set.cpu().end());
  }
  for (const std::string& text : config.cpu_cluster()) {
    ASSIGN_OR_RETURN(std::vector<uint32_t> set, ParseCpuSet(text));
    clusters.push_back(std::move(set));
  }
  absl::StatusOr<CpuPlaces> places = PlaceCpus(topology, clusters);
  if (places.ok()) return places;
  return Annotate(places.status(),
                  config.cpu_cluster().empty() ? "--cpus: clusters=" : "--cpu-cluster");
}

}  // namespace

absl::StatusOr<Processors> PlanProcessors(const RunConfig& config, Hypervisor& hypervisor) {
  const uint32_t count = config.cpus().num_cores();
  if (count > hypervisor.max_vcpus()) {
    return absl::InvalidArgumentError(absl::StrCat("--cpus ", count,
                                                   ": the hypervisor has no more than ",
                                                   hypervisor.max_vcpus(), " vCPUs for a machine"));
  }
  ASSIGN_OR_RETURN(const std::vector<CpuidEntry> supported, hypervisor.SupportedCpuid());
  std::vector<HostCpu> host_cpus;
  if (config.host_cpu_topology()) {
    absl::StatusOr<std::vector<HostCpu>> read = ReadHostCpus(count);
    if (!read.ok()) return Annotate(read.status(), "--host-cpu-topology");
    host_cpus = *std::move(read);
  }
  CpuidOptions options = {.topology = ChooseTopology(count, !config.no_smt()),
                          .brand = HostBrand()};
  std::optional<CpuPlaces> places;
  if (!config.cpus().clusters().empty() || !config.cpu_cluster().empty()) {
    ASSIGN_OR_RETURN(places, PlaceInClusters(config, options.topology));
    options.topology = places->topology;
  }
  if (config.force_calibrated_tsc_leaf()) {
    options.tsc_khz = MeasureTscKhz(kTscMeasurement);
    options.force_tsc_leaf = true;
  }
  Processors processors = {.boot = BootCpu(config.cpus()),
                           .physical_bits = PhysicalAddressBits(supported)};
  for (; options.index < count; ++options.index) {
    options.host = host_cpus.empty() ? nullptr : &host_cpus[options.index];
    if (config.enable_hwp() && options.host != nullptr) options.hwp = &options.host->power;
    options.turbo_boost_max = config.itmt();
    if (places.has_value()) options.place = places->places[options.index];
    options.core_type = CoreTypeOf(config.cpus().core_types(), options.index);
    processors.apic_ids.push_back(GuestApicId(options));
    processors.cpuid.push_back(GuestCpuid(supported, options));
  }
  return processors;
}

}  // namespace touchstone
