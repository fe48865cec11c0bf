#include "vmm/machine/cpu/host_cpu.h"

#include <cpuid.h>
#include <errno.h>
#include <sched.h>

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/bits.h"
#include "base/status.h"

namespace touchstone {
namespace {

// Leaves: Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E.
constexpr uint32_t kFeatureLeaf = 1;
constexpr uint32_t kPowerLeaf = 6;
constexpr uint32_t kTopologyLeaf = 0xB;

struct Leaf {
  uint32_t function;
  bool has_index;
  // Where a sub-leaf says that it is the last, by these bits being 0: cache type in EAX (leaves 4
  // and 0x8000001D), level type in ECX (0xB and 0x1F).
  uint32_t last_eax = 0;
  uint32_t last_ecx = 0;
};

constexpr Leaf kLeaves[] = {
    {kFeatureLeaf, false},    {4, true, 0x1F},     {kTopologyLeaf, true, 0, 0xFF00},
    {0x1F, true, 0, 0xFF00},  {0x80000001, false}, {0x80000008, false},
    {0x8000001D, true, 0x1F}, {0x8000001E, false},
};

// More levels than any processor has.
constexpr uint32_t kMostIndices = 16;

CpuidEntry Read(const Leaf& leaf, uint32_t index) {
  CpuidEntry entry = {
      .function = leaf.function, .index = index, .significant_index = leaf.has_index};
  __cpuid_count(leaf.function, index, entry.eax, entry.ebx, entry.ecx, entry.edx);
  return entry;
}

bool IsLast(const Leaf& leaf, const CpuidEntry& entry) {
  return (entry.eax & leaf.last_eax) == 0 && (entry.ecx & leaf.last_ecx) == 0;
}

// Of the processor that this runs on.
HostCpu ReadThisCpu() {
  HostCpu cpu;
  if (__get_cpuid_max(0, nullptr) >= kPowerLeaf) {
    cpu.power = Read({.function = kPowerLeaf, .has_index = false}, 0);
  }
  for (const Leaf& leaf : kLeaves) {
    if (leaf.function > __get_cpuid_max(leaf.function & 0x80000000, nullptr)) continue;
    for (uint32_t index = 0; index < kMostIndices; ++index) {
      const CpuidEntry entry = Read(leaf, index);
      cpu.leaves.push_back(entry);
      if (leaf.function == kFeatureLeaf) cpu.apic_id = Field(entry.ebx, 31, 24);
      // Leaf 0xB has all bits of the id, where it is.
      if (leaf.function == kTopologyLeaf && entry.ebx != 0) cpu.apic_id = entry.edx;
      if (!leaf.has_index || IsLast(leaf, entry)) break;
    }
  }
  return cpu;
}

}  // namespace

absl::StatusOr<std::vector<HostCpu>> ReadHostCpus(uint32_t count) {
  std::vector<HostCpu> cpus;
  absl::Status status;
  // A thread of its own: the caller's affinity stays.
  std::thread([&] {
    for (uint32_t cpu = 0; cpu < count && status.ok(); ++cpu) {
      cpu_set_t set;
      CPU_ZERO(&set);
      CPU_SET(cpu, &set);
      if (sched_setaffinity(0, sizeof(set), &set) != 0) {
        status = ErrnoStatus(errno, absl::StrCat("host CPU ", cpu));
      } else {
        cpus.push_back(ReadThisCpu());
      }
    }
  }).join();
  if (!status.ok()) return status;
  return cpus;
}

}  // namespace touchstone
