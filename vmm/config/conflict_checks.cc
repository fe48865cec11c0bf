#include "vmm/config/conflict_checks.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <tuple>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "devices/pci/pci_address.h"
#include "vmm/config/address_ranges.h"
#include "vmm/config/cpu_set.h"

namespace touchstone {
namespace {

using Errors = std::vector<std::string>;

constexpr uint64_t kPageSize = 4096;

void CheckPciAddresses(const RunConfig& config, Errors& errors) {
  const std::string stub_option = "--stub-pci-device: address=";
  std::map<std::string, std::string> taken;
  const auto take = [&](const std::string& option, const std::string& text) {
    const absl::StatusOr<PciAddress> address = PciAddress::Parse(text);
    if (!address.ok()) return;
    const auto [place, is_new] = taken.insert({address->ToString(), option});
    if (is_new) return;
    errors.push_back(option == stub_option && place->second == stub_option
                         ? absl::StrCat(option, text, " is given twice")
                         : absl::StrCat(option, text, " is taken by ", place->second, " already"));
  };
  const std::string* console = nullptr;
  for (const SerialConfig& serial : config.serial()) {
    if (!serial.has_pci_address()) continue;
    const bool port = serial.hardware() == SerialConfig::VIRTIO_CONSOLE;
    if (port && console != nullptr) {
      if (*console == serial.pci_address()) continue;
      errors.push_back(absl::StrCat("--serial: pci-address=", serial.pci_address(),
                                    ": the ports of the virtio console have one address, ",
                                    *console, " is given too"));
      continue;
    }
    if (port) console = &serial.pci_address();
    take("--serial: pci-address=", serial.pci_address());
  }
  for (const BlockConfig& block : config.block()) {
    if (block.has_pci_address()) take("--block: pci-address=", block.pci_address());
  }
  for (const NetConfig& net : config.net()) {
    if (net.has_pci_address()) take("--net: pci-address=", net.pci_address());
  }
  for (const VhostUserConfig& device : config.vhost_user()) {
    if (device.has_pci_address()) take("--vhost-user: pci-address=", device.pci_address());
  }
  for (const StubPciDeviceConfig& stub : config.stub_pci_device()) {
    take(stub_option, stub.address());
  }
}

// A range and what it is called. `last` is inclusive.
struct NamedRange {
  uint64_t first;
  uint64_t last;
  std::string name;
};

void CheckOverlaps(std::vector<NamedRange> ranges, Errors& errors) {
  std::sort(ranges.begin(), ranges.end(), [](const NamedRange& a, const NamedRange& b) {
    return std::tie(a.first, a.name) < std::tie(b.first, b.name);
  });
  const NamedRange* before = nullptr;  // The one of those so far that reaches furthest.
  for (const NamedRange& range : ranges) {
    if (before != nullptr && range.first <= before->last) {
      errors.push_back(
          absl::StrCat(range.name, " overlaps ", before->name, " at 0x", absl::Hex(range.first)));
    }
    if (before == nullptr || range.last > before->last) before = &range;
  }
}

std::vector<NamedRange> Mappings(const RunConfig& config) {
  std::vector<NamedRange> ranges;
  for (const FileBackedMappingConfig& mapping : config.file_backed_mapping()) {
    const uint64_t mask = mapping.align() ? kPageSize - 1 : 0;
    if (mapping.size() == 0 || mapping.addr() > UINT64_MAX - mapping.size()) continue;
    ranges.push_back({mapping.addr() & ~mask, (mapping.addr() + mapping.size() - 1) | mask,
                      absl::StrCat("--file-backed-mapping: path=", mapping.path())});
  }
  return ranges;
}

std::vector<NamedRange> Reserved(const RunConfig& config) {
  std::vector<NamedRange> reserved;
  const auto ranges = ParseAddressRanges(config.mmio_address_range());
  if (!config.has_mmio_address_range() || !ranges.ok()) return reserved;
  for (const ConfiguredRange& range : *ranges) {
    const uint64_t last = range.start + (range.size - 1);
    reserved.push_back(
        {range.start, last,
         absl::StrCat("--mmio-address-range: 0x", absl::Hex(range.start), "-0x", absl::Hex(last))});
  }
  return reserved;
}

// crosvm.md 1.3.
void CheckIrqChip(const RunConfig& config, Errors& errors) {
  if (config.split_irqchip() && config.has_irqchip()) {
    errors.emplace_back("--split-irqchip and --irqchip exclude each other");
  }
}

void CheckVcpus(const RunConfig& config, Errors& errors) {
  // As many as the host has processors, which is not known here.
  if (config.host_cpu_topology() && !config.cpus().has_num_cores()) return;
  const uint32_t count = config.cpus().num_cores();
  const auto check = [&](const char* option, uint32_t vcpu) {
    if (vcpu < count) return;
    errors.push_back(
        absl::StrCat(option, ": there is no virtual CPU ", vcpu, ", --cpus makes ", count));
  };
  for (const uint32_t vcpu : config.rt_cpus()) check("--rt-cpus", vcpu);
  const auto affinity = ParseCpuAffinity(config.cpu_affinity());
  if (!config.has_cpu_affinity() || !affinity.ok()) return;
  for (const auto& [vcpu, cpus] : affinity->by_vcpu) check("--cpu-affinity", vcpu);
}

}  // namespace

void CheckConflicts(const RunConfig& config, Errors& errors) {
  CheckPciAddresses(config, errors);
  CheckOverlaps(Mappings(config), errors);
  CheckOverlaps(Reserved(config), errors);
  CheckVcpus(config, errors);
  CheckIrqChip(config, errors);
}

}  // namespace touchstone
