#include "vmm/machine/cpu/cpuid.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "absl/strings/string_view.h"
#include "base/bits.h"
#include "vmm/machine/cpu/amd_caches.h"

namespace touchstone {
namespace {

// Leaves: Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E.
constexpr uint32_t kVendorLeaf = 0;
constexpr uint32_t kFeatureLeaf = 1;
constexpr uint32_t kIntelCacheLeaf = 4;
constexpr uint32_t kPowerLeaf = 6;
constexpr uint32_t kExtendedFeatureLeaf = 7;
constexpr uint32_t kTopologyLeaf = 0xB;
constexpr uint32_t kSgxLeaf = 0x12;
constexpr uint32_t kTscLeaf = 0x15;
constexpr uint32_t kHybridLeaf = 0x1A;
constexpr uint32_t kTopologyV2Leaf = 0x1F;
constexpr uint32_t kMaxExtendedLeaf = 0x80000000;
constexpr uint32_t kAmdFeatureLeaf = 0x80000001;
constexpr uint32_t kFirstBrandLeaf = 0x80000002;
constexpr uint32_t kLastBrandLeaf = 0x80000004;
constexpr uint32_t kAmdLevel1Leaf = 0x80000005;
constexpr uint32_t kAmdLevel2Leaf = 0x80000006;
constexpr uint32_t kAddressSizeLeaf = 0x80000008;
constexpr uint32_t kSvmLeaf = 0x8000000A;
constexpr uint32_t kAmdCacheLeaf = 0x8000001D;
constexpr uint32_t kAmdTopologyLeaf = 0x8000001E;
constexpr uint32_t kAmdEncryptionLeaf = 0x8000001F;

// Leaf 1.
constexpr uint32_t kEcxVmx = Bit(5);
constexpr uint32_t kEcxX2apic = Bit(21);
constexpr uint32_t kEcxHypervisor = Bit(31);
constexpr uint32_t kEdxHtt = Bit(28);  // EBX bits 23 to 16 are valid
// Leaf 6.
constexpr uint32_t kEaxHwp = Bit(7);
constexpr uint32_t kEaxHwpActivityWindow = Bit(9);
constexpr uint32_t kEaxHwpPreference = Bit(10);
constexpr uint32_t kEaxTurboBoostMax = Bit(14);
constexpr uint32_t kEcxAperfMperf = Bit(0);
// Leaf 7.
constexpr uint32_t kEbxSgx = Bit(2);
constexpr uint32_t kEcxSgxLaunchControl = Bit(30);
constexpr uint32_t kEdxHybrid = Bit(15);
// Leaf 0x80000001.
constexpr uint32_t kEcxCmpLegacy = Bit(1);  // the threads that HTT speaks of are cores
constexpr uint32_t kEcxSvm = Bit(2);
constexpr uint32_t kEcxTopologyExtensions = Bit(22);

// Level types in ECX bits 15 to 8 of leaves 0xB and 0x1F.
constexpr uint32_t kThreadLevel = 1;
constexpr uint32_t kCoreLevel = 2;

constexpr int kMinPhysicalBits = 32, kDefaultPhysicalBits = 36, kMaxPhysicalBits = 52;

void SetBits(uint32_t& value, uint32_t bits, bool set) {
  value = set ? value | bits : value & ~bits;
}

void SetField(uint32_t& value, int high, int low, uint32_t field) {
  const uint32_t mask = Mask(high, low);
  value = (value & ~mask) | (std::min(field, mask >> low) << low);
}

// The leaves, edited in place.
class Leaves {
 public:
  explicit Leaves(absl::Span<const CpuidEntry> entries)
      : entries_(entries.begin(), entries.end()) {}

  CpuidEntry* Find(uint32_t function) {
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const auto& e) { return e.function == function; });
    return found == entries_.end() ? nullptr : &*found;
  }

  CpuidEntry& FindOrAdd(uint32_t function) {
    if (CpuidEntry* found = Find(function)) return *found;
    return entries_.emplace_back(CpuidEntry{.function = function});
  }

  void Add(const CpuidEntry& entry) { entries_.push_back(entry); }

  void Remove(uint32_t function) {
    std::erase_if(entries_, [&](const auto& e) { return e.function == function; });
  }

  template <typename Edit>
  void ForEach(uint32_t function, Edit edit) {
    for (CpuidEntry& entry : entries_) {
      if (entry.function == function) edit(entry);
    }
  }

  // Makes the leaves of its range, basic or extended, up to `function` visible.
  void RaiseMaximum(uint32_t function) {
    const bool extended = function >= kMaxExtendedLeaf;
    uint32_t& maximum = FindOrAdd(extended ? kMaxExtendedLeaf : kVendorLeaf).eax;
    maximum = std::max(maximum, function);
  }

  std::vector<CpuidEntry> Take() && { return std::move(entries_); }

 private:
  std::vector<CpuidEntry> entries_;
};

// Hygon's processors are AMD's.
bool IsAmd(Leaves& leaves) {
  const CpuidEntry& entry = leaves.FindOrAdd(kVendorLeaf);
  char vendor[12];
  memcpy(vendor, &entry.ebx, 4);
  memcpy(vendor + 4, &entry.edx, 4);
  memcpy(vendor + 8, &entry.ecx, 4);
  const absl::string_view text(vendor, sizeof(vendor));
  return text == "AuthenticAMD" || text == "HygonGenuine";
}

void SetFeatures(const CpuidOptions& options, uint32_t apic_id, Leaves& leaves) {
  CpuidEntry& features = leaves.FindOrAdd(kFeatureLeaf);
  SetField(features.ebx, 31, 24, apic_id & 0xFF);
  SetBits(features.ecx, kEcxHypervisor, true);
  SetBits(features.ecx, kEcxX2apic, options.x2apic);
}

// Three leaves of 16 characters, filled up with NUL (SDM volume 2, CPUID, "processor brand
// string").
void SetBrand(absl::string_view brand, Leaves& leaves) {
  if (brand.empty()) return;
  char text[48] = {};
  brand.copy(text, sizeof(text));
  uint32_t words[12];
  memcpy(words, text, sizeof(words));
  for (uint32_t leaf = kFirstBrandLeaf; leaf <= kLastBrandLeaf; ++leaf) {
    const uint32_t* part = &words[size_t{4} * (leaf - kFirstBrandLeaf)];
    CpuidEntry& entry = leaves.FindOrAdd(leaf);
    entry.eax = part[0];
    entry.ebx = part[1];
    entry.ecx = part[2];
    entry.edx = part[3];
  }
  leaves.RaiseMaximum(kLastBrandLeaf);
}

void SetThreads(const CpuTopology& topology, Leaves& leaves) {
  CpuidEntry& features = leaves.FindOrAdd(kFeatureLeaf);
  SetField(features.ebx, 23, 16, topology.threads());
  SetBits(features.edx, kEdxHtt, topology.threads() > 1);
}

// The bits of `mask` as the host's leaf has them.
void TakeBits(uint32_t& to, uint32_t from, uint32_t mask) { to = (to & ~mask) | (from & mask); }

// Whole leaves where all of them is topology, and its fields of the others.
void TakeHostTopology(const HostCpu& host, Leaves& leaves) {
  constexpr uint32_t kWhole[] = {kIntelCacheLeaf, kTopologyLeaf, kTopologyV2Leaf, kAmdCacheLeaf,
                                 kAmdTopologyLeaf};
  for (const uint32_t function : kWhole) leaves.Remove(function);
  for (const CpuidEntry& entry : host.leaves) {
    switch (entry.function) {
      case kFeatureLeaf: {
        CpuidEntry& features = leaves.FindOrAdd(kFeatureLeaf);
        TakeBits(features.ebx, entry.ebx, Mask(23, 16));
        TakeBits(features.edx, entry.edx, kEdxHtt);
        break;
      }
      case kAmdFeatureLeaf:
        TakeBits(leaves.FindOrAdd(kAmdFeatureLeaf).ecx, entry.ecx, kEcxCmpLegacy);
        break;
      case kAddressSizeLeaf:
        TakeBits(leaves.FindOrAdd(kAddressSizeLeaf).ecx, entry.ecx, Mask(15, 12) | Mask(7, 0));
        break;
      default:
        leaves.Add(entry);
        if (entry.function < kMaxExtendedLeaf) leaves.RaiseMaximum(entry.function);
    }
  }
}

// Not among them: notifications, and the request for the whole package.
void TakeHwp(const CpuidEntry& host, bool turbo_boost_max, Leaves& leaves) {
  CpuidEntry& power = leaves.FindOrAdd(kPowerLeaf);
  TakeBits(power.eax, host.eax, kEaxHwp | kEaxHwpActivityWindow | kEaxHwpPreference);
  if (turbo_boost_max) TakeBits(power.eax, host.eax, kEaxTurboBoostMax);
  TakeBits(power.ecx, host.ecx, kEcxAperfMperf);
  leaves.RaiseMaximum(kPowerLeaf);
}

void SetCoreType(CoreType type, Leaves& leaves) {
  leaves.ForEach(kExtendedFeatureLeaf, [](CpuidEntry& entry) {
    if (entry.index == 0) SetBits(entry.edx, kEdxHybrid, true);
  });
  leaves.Remove(kHybridLeaf);
  leaves.Add({.function = kHybridLeaf, .eax = uint32_t{static_cast<uint8_t>(type)} << 24});
  leaves.RaiseMaximum(kHybridLeaf);
}

// What a guest could see but not use.
void RemoveUnsupported(const CpuidOptions& options, Leaves& leaves) {
  leaves.ForEach(kExtendedFeatureLeaf, [](CpuidEntry& entry) {
    if (entry.index != 0) return;
    SetBits(entry.ebx, kEbxSgx, false);
    SetBits(entry.ecx, kEcxSgxLaunchControl, false);
  });
  leaves.Remove(kSgxLeaf);
  leaves.Remove(kAmdEncryptionLeaf);
  if (options.nested_virtualization) return;
  leaves.ForEach(kFeatureLeaf, [](CpuidEntry& entry) { SetBits(entry.ecx, kEcxVmx, false); });
  leaves.ForEach(kAmdFeatureLeaf, [](CpuidEntry& entry) { SetBits(entry.ecx, kEcxSvm, false); });
  leaves.Remove(kSvmLeaf);
}

// Leaves 0xB and 0x1F: one sub-leaf a level, then one of type 0.
void AddTopologyLeaf(uint32_t function, const CpuTopology& topology, uint32_t apic_id,
                     Leaves& leaves) {
  leaves.Remove(function);
  const auto add = [&](uint32_t index, uint32_t type, int shift, uint32_t threads) {
    leaves.Add({.function = function,
                .index = index,
                .significant_index = true,
                .eax = static_cast<uint32_t>(shift),
                .ebx = threads,
                .ecx = type << 8 | index,
                .edx = apic_id});
  };
  add(0, kThreadLevel, topology.thread_bits(), topology.threads_per_core);
  add(1, kCoreLevel, topology.socket_shift(), topology.threads());
  add(2, 0, 0, 0);
}

// Leaves 4 and 0x8000001D share the layout of EAX: who shares each cache. Level 1 belongs to a
// core, level 2 to that or to a cluster, higher ones to the socket.
void ShareCaches(uint32_t function, const CpuidOptions& options, Leaves& leaves) {
  const CpuTopology& topology = options.topology;
  const int core = topology.thread_bits(), socket = topology.socket_shift();
  const int cluster = options.place.has_value() ? options.place->l2_bits : core;
  leaves.ForEach(function, [&](CpuidEntry& entry) {
    const uint32_t type = Field(entry.eax, 4, 0), level = Field(entry.eax, 7, 5);
    if (type == 0) return;  // no more caches
    SetField(entry.eax, 25, 14, Bit(level < 2 ? core : level == 2 ? cluster : socket) - 1);
    // Reserved on AMD.
    if (function == kIntelCacheLeaf) SetField(entry.eax, 31, 26, Bit(topology.core_bits()) - 1);
  });
}

// A hypervisor below this one may hide the leaves that tell of shared caches, and with them
// clusters.
void AddAmdCaches(Leaves& leaves) {
  if (leaves.Find(kAmdCacheLeaf) != nullptr) return;
  const CpuidEntry* level1 = leaves.Find(kAmdLevel1Leaf);
  const CpuidEntry* level2 = leaves.Find(kAmdLevel2Leaf);
  if (level1 == nullptr || level2 == nullptr) return;
  for (const CpuidEntry& entry : AmdCacheLeaves(*level1, *level2)) leaves.Add(entry);
  SetBits(leaves.FindOrAdd(kAmdFeatureLeaf).ecx, kEcxTopologyExtensions, true);
  leaves.RaiseMaximum(kAmdTopologyLeaf);
}

void SetAmdTopology(const CpuidOptions& options, uint32_t apic_id, Leaves& leaves) {
  const CpuTopology& topology = options.topology;
  const uint32_t socket = options.index / topology.threads();
  if (options.place.has_value()) AddAmdCaches(leaves);
  ShareCaches(kAmdCacheLeaf, options, leaves);
  leaves.ForEach(kAmdFeatureLeaf, [&](CpuidEntry& entry) {
    SetBits(entry.ecx, kEcxCmpLegacy, topology.threads() > 1);
  });
  leaves.ForEach(kAddressSizeLeaf, [&](CpuidEntry& entry) {
    SetField(entry.ecx, 15, 12, static_cast<uint32_t>(topology.socket_shift()));
    SetField(entry.ecx, 7, 0, topology.threads() - 1);
  });
  leaves.Remove(kAmdTopologyLeaf);
  const CpuidEntry* maximum = leaves.Find(kMaxExtendedLeaf);
  const CpuidEntry* features = leaves.Find(kAmdFeatureLeaf);
  if (maximum == nullptr || maximum->eax < kAmdTopologyLeaf || features == nullptr ||
      (features->ecx & kEcxTopologyExtensions) == 0) {
    return;
  }
  CpuidEntry entry = {.function = kAmdTopologyLeaf, .eax = apic_id};
  SetField(entry.ebx, 15, 8, topology.threads_per_core - 1);
  SetField(entry.ebx, 7, 0, (apic_id >> topology.thread_bits()) & Mask(topology.core_bits(), 0));
  SetField(entry.ecx, 7, 0, socket);  // node; bits 10 to 8: one node per socket
  leaves.Add(entry);
}

// Leaf 0x15: TSC frequency = crystal frequency * numerator / denominator. Guests take the crystal
// for the local APIC timer's clock, which KVM runs at 1 GHz. Linux multiplies crystal kHz and
// numerator in 32 bits, so the numerator stays below 4295 and the ratio is the nearest that fits.
void SetTscFrequency(uint32_t tsc_khz, Leaves& leaves) {
  constexpr uint64_t kCrystalKhz = 1'000'000;
  constexpr uint64_t kMaxNumerator = UINT32_MAX / kCrystalKhz;
  constexpr uint64_t kMaxDenominator = 8192;  // finer than a kHz at any frequency a TSC has
  uint64_t best_numerator = 0, best_denominator = 1, best_error = UINT64_MAX;
  for (uint64_t denominator = 1; denominator <= kMaxDenominator && best_error > 0; ++denominator) {
    const uint64_t numerator = (tsc_khz * denominator + kCrystalKhz / 2) / kCrystalKhz;
    if (numerator > kMaxNumerator) break;
    if (numerator == 0) continue;
    const auto error = static_cast<uint64_t>(
        std::llabs(static_cast<int64_t>(tsc_khz * denominator - numerator * kCrystalKhz)));
    // error / denominator < best_error / best_denominator
    if (best_numerator != 0 && error * best_denominator >= best_error * denominator) continue;
    best_numerator = numerator;
    best_denominator = denominator;
    best_error = error;
  }
  leaves.Remove(kTscLeaf);
  if (best_numerator == 0) return;
  leaves.Add({.function = kTscLeaf,
              .eax = static_cast<uint32_t>(best_denominator),
              .ebx = static_cast<uint32_t>(best_numerator),
              .ecx = static_cast<uint32_t>(kCrystalKhz * 1000)});
  leaves.RaiseMaximum(kTscLeaf);
}

// The guest's own topology, in the leaves of the processor's maker.
void SetTopology(const CpuidOptions& options, uint32_t apic_id, Leaves& leaves) {
  const CpuTopology& topology = options.topology;
  SetThreads(topology, leaves);
  // An x2APIC's id is found in leaf 0xB, so it is there on any processor.
  leaves.RaiseMaximum(kTopologyLeaf);
  AddTopologyLeaf(kTopologyLeaf, topology, apic_id, leaves);
  if (leaves.Find(kVendorLeaf)->eax >= kTopologyV2Leaf) {
    AddTopologyLeaf(kTopologyV2Leaf, topology, apic_id, leaves);
  } else {
    leaves.Remove(kTopologyV2Leaf);
  }

  if (IsAmd(leaves)) {
    SetAmdTopology(options, apic_id, leaves);
  } else {
    ShareCaches(kIntelCacheLeaf, options, leaves);
  }
}

}  // namespace

uint32_t GuestApicId(const CpuidOptions& options) {
  if (options.host != nullptr) return options.host->apic_id;
  if (options.place.has_value()) return options.place->apic_id;
  return ApicId(options.topology, options.index);
}

std::vector<CpuidEntry> GuestCpuid(absl::Span<const CpuidEntry> supported,
                                   const CpuidOptions& options) {
  const uint32_t apic_id = GuestApicId(options);
  Leaves leaves(supported);
  SetFeatures(options, apic_id, leaves);
  RemoveUnsupported(options, leaves);
  SetBrand(options.brand, leaves);
  if (options.host != nullptr) {
    TakeHostTopology(*options.host, leaves);
  } else {
    SetTopology(options, apic_id, leaves);
  }
  if (options.hwp != nullptr) TakeHwp(*options.hwp, options.turbo_boost_max, leaves);
  if (options.core_type.has_value()) SetCoreType(*options.core_type, leaves);
  if (options.tsc_khz != 0 && (options.force_tsc_leaf || !IsAmd(leaves)))
    SetTscFrequency(options.tsc_khz, leaves);
  return std::move(leaves).Take();
}

int PhysicalAddressBits(absl::Span<const CpuidEntry> supported) {
  const auto found = std::find_if(supported.begin(), supported.end(), [](const auto& entry) {
    return entry.function == kAddressSizeLeaf;
  });
  if (found == supported.end()) return kDefaultPhysicalBits;
  return std::clamp(static_cast<int>(Field(found->eax, 7, 0)), kMinPhysicalBits, kMaxPhysicalBits);
}

}  // namespace touchstone
