#include "vmm/config/machine_checks.h"

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "devices/pci/pci_address.h"
#include "devices/platform/fw_cfg/fw_cfg_files.h"
#include "vmm/config/address_ranges.h"
#include "vmm/config/cpu_set.h"
#include "vmm/config/uuid.h"

namespace touchstone {
namespace {

using Errors = std::vector<std::string>;

constexpr uint64_t kPageSize = 4096;
// SMBIOS 3.2, 7.12: the count is a byte.
constexpr int kMostOemStrings = 255;
// The area for SMBIOS tables is 64 KiB, and this leaves room for all but their strings.
constexpr size_t kMostSmbiosBytes = 65000;

// An error that a parser gives for the text of an option.
void Report(absl::string_view option, const absl::Status& status, Errors& errors) {
  if (!status.ok()) errors.push_back(absl::StrCat(option, ": ", status.message()));
}

void CheckSmbios(const RunConfig& config, Errors& errors) {
  const SmbiosConfig& smbios = config.smbios();
  if (smbios.has_uuid()) Report("--smbios: uuid=", ParseUuid(smbios.uuid()).status(), errors);
  size_t bytes = 0;
  for (const std::string* text :
       {&smbios.bios_vendor(), &smbios.bios_version(), &smbios.manufacturer(),
        &smbios.product_name(), &smbios.serial_number()}) {
    bytes += text->size() + 1;
  }
  const auto check_oem = [&](const auto& texts, absl::string_view option) {
    for (const std::string& text : texts) {
      if (text.empty()) {
        errors.push_back(absl::StrCat(option, " an empty string cannot be an OEM string"));
      }
      bytes += text.size() + 1;
    }
  };
  check_oem(smbios.oem_strings(), "--smbios: oem-strings=:");
  check_oem(config.oem_strings(), "--oem-strings:");
  const int count = smbios.oem_strings_size() + config.oem_strings_size();
  if (count > kMostOemStrings) {
    errors.push_back(absl::StrCat("--oem-strings: ", count, " strings, at most ", kMostOemStrings,
                                  " are accepted"));
  }
  if (bytes > kMostSmbiosBytes) {
    errors.push_back(absl::StrCat("--smbios: its strings and those of --oem-strings have ", bytes,
                                  " bytes, at most ", kMostSmbiosBytes, " are accepted"));
  }
}

void CheckPstore(const RunConfig& config, Errors& errors) {
  const uint64_t size = config.pstore().size();
  if (config.has_pstore() && (size == 0 || size % kPageSize != 0)) {
    errors.push_back(
        absl::StrCat("--pstore: size=", size, " is not a multiple of ", kPageSize, " bytes"));
  }
}

void CheckHostTopology(const RunConfig& config, const HostLimits& host, Errors& errors) {
  if (!config.host_cpu_topology()) return;
  const auto exclude = [&](bool given, absl::string_view option) {
    if (!given) return;
    errors.push_back(absl::StrCat(option,
                                  " and --host-cpu-topology, which gives each virtual CPU "
                                  "the place of a host CPU, exclude each other"));
  };
  exclude(config.no_smt(), "--no-smt");
  exclude(config.has_cpu_affinity(), "--cpu-affinity");
  exclude(config.cpus().has_core_types(), "--cpus: core-types=");
  exclude(!config.cpus().clusters().empty(), "--cpus: clusters=");
  exclude(!config.cpu_cluster().empty(), "--cpu-cluster");
  if (config.cpus().has_num_cores() && config.cpus().num_cores() != host.cpus) {
    errors.push_back(absl::StrCat(
        "--cpus: num-cores=", config.cpus().num_cores(),
        ": with --host-cpu-topology it is the number of the host's CPUs, ", host.cpus));
  }
}

// crosvm.md 1.3.
void CheckHwp(const RunConfig& config, const HostLimits& host, Errors& errors) {
  if (!config.enable_hwp()) return;
  if (!config.host_cpu_topology()) {
    errors.emplace_back(
        "--enable-hwp: needs --host-cpu-topology, which keeps each virtual CPU on its own host "
        "CPU");
  }
  if (!host.hwp) {
    errors.emplace_back(
        "--enable-hwp: this host's processor shows no hardware P-states (CPUID leaf 6, EAX bit "
        "7)");
  }
}

// crosvm.md 1.3: each virtual CPU also needs a host CPU of its own, which --enable-hwp sees to.
void CheckItmt(const RunConfig& config, const HostLimits& host, Errors& errors) {
  if (!config.itmt()) return;
  if (!config.enable_hwp()) {
    errors.emplace_back(
        "--itmt: needs --enable-hwp, for it is the guest that gives its fastest CPUs their work");
  }
  if (!host.performance) {
    errors.emplace_back(
        "--itmt: this host does not say what its CPUs can do (there is no "
        "/sys/devices/system/cpu/cpu0/acpi_cppc)");
  }
}

// crosvm.md 1.3: each vCPU has exactly one type.
void CheckCoreTypes(const RunConfig& config, const HostLimits& host, Errors& errors) {
  if (!config.cpus().has_core_types()) return;
  const CoreTypes& types = config.cpus().core_types();
  if (!host.hybrid) {
    errors.push_back("--cpus: core-types=: this host's processor has cores of one type only");
  }
  std::set<uint32_t> seen;
  for (const auto* list : {&types.atom(), &types.core()}) {
    for (const uint32_t vcpu : *list) {
      if (seen.insert(vcpu).second) continue;
      errors.push_back(absl::StrCat("--cpus: core-types=: virtual CPU ", vcpu, " is given twice"));
    }
  }
  const uint32_t count = config.cpus().num_cores();
  if (seen.size() == count && (seen.empty() || *seen.rbegin() == count - 1)) return;
  errors.push_back(
      absl::StrCat("--cpus: core-types=: atom= and core= name each of the virtual CPUs "
                   "0 to ",
                   count - 1, " once"));
}

// crosvm.md 1.3: one option or the other. A virtual CPU is in one cluster at most.
void CheckClusters(const RunConfig& config, Errors& errors) {
  std::vector<std::vector<uint32_t>> clusters;
  for (const CpuSet& set : config.cpus().clusters()) {
    clusters.emplace_back(set.cpu().begin(), set.cpu().end());
  }
  const bool older = clusters.empty();
  if (!older && !config.cpu_cluster().empty()) {
    errors.push_back("--cpu-cluster: --cpus clusters= is given too, which says the same");
    return;
  }
  const char* option = older ? "--cpu-cluster" : "--cpus: clusters=";
  for (const std::string& text : config.cpu_cluster()) {
    const absl::StatusOr<std::vector<uint32_t>> set = ParseCpuSet(text);
    Report(option, set.status(), errors);
    if (set.ok()) clusters.push_back(*set);
  }
  if (config.host_cpu_topology()) return;  // which leaves no place for them
  std::set<uint32_t> seen;
  for (const std::vector<uint32_t>& cluster : clusters) {
    if (cluster.empty()) errors.push_back(absl::StrCat(option, ": a cluster has no virtual CPU"));
    for (const uint32_t vcpu : cluster) {
      if (vcpu >= config.cpus().num_cores()) {
        errors.push_back(absl::StrCat(option, ": there is no virtual CPU ", vcpu, ", --cpus makes ",
                                      config.cpus().num_cores()));
      } else if (!seen.insert(vcpu).second) {
        errors.push_back(absl::StrCat(option, ": virtual CPU ", vcpu, " is given twice"));
      }
    }
  }
}

void CheckProcessors(const RunConfig& config, const HostLimits& host, Errors& errors) {
  if (config.has_cpu_affinity()) {
    Report("--cpu-affinity", ParseCpuAffinity(config.cpu_affinity()).status(), errors);
  }
  CheckHostTopology(config, host, errors);
  CheckHwp(config, host, errors);
  CheckItmt(config, host, errors);
  CheckCoreTypes(config, host, errors);
  CheckClusters(config, errors);
}

// A multiple of the size of a page, unless align rounds it.
void CheckFileBackedMappings(const RunConfig& config, Errors& errors) {
  for (const FileBackedMappingConfig& mapping : config.file_backed_mapping()) {
    const std::string option = absl::StrCat("--file-backed-mapping: path=", mapping.path());
    for (const auto& [key, value] :
         {std::pair("addr", mapping.addr()), std::pair("size", mapping.size())}) {
      if (mapping.align() || value % kPageSize == 0) continue;
      errors.push_back(absl::StrCat(option, ": ", key, "=", value, " is not a multiple of ",
                                    kPageSize, "; align rounds it"));
    }
    if (mapping.offset() % kPageSize != 0) {
      errors.push_back(
          absl::StrCat(option, ": offset=", mapping.offset(), " is not a multiple of ", kPageSize));
    }
    if (mapping.ram() && !mapping.rw()) {
      errors.push_back(absl::StrCat(option, ": ram needs rw: a guest writes to its memory"));
    }
    if (mapping.size() == 0) errors.push_back(absl::StrCat(option, ": size=0 maps nothing"));
    if (mapping.addr() > UINT64_MAX - mapping.size()) {
      errors.push_back(absl::StrCat(option, ": addr=", mapping.addr(),
                                    " and size= pass the end of all addresses"));
    }
  }
}

void CheckPci(const RunConfig& config, Errors& errors) {
  if (config.has_pcie_ecam()) {
    Report("--pcie-ecam", ParseEcam(config.pcie_ecam()).status(), errors);
  }
  if (config.has_mmio_address_range()) {
    Report("--mmio-address-range", ParseAddressRanges(config.mmio_address_range()).status(),
           errors);
  }
  for (const StubPciDeviceConfig& stub : config.stub_pci_device()) {
    Report("--stub-pci-device: address=", PciAddress::Parse(stub.address()).status(), errors);
  }
}

void CheckHypervisor(const RunConfig& config, Errors& errors) {
  if (config.has_hypervisor() && config.has_kvm_device()) {
    errors.push_back("--kvm-device: --hypervisor is given too; its kvm[device=] says the same");
  }
}

}  // namespace

void CheckMachineOptions(const RunConfig& config, const HostLimits& host, Errors& errors) {
  CheckSmbios(config, errors);
  for (std::string& error : CheckFwCfg(config.fw_cfg())) errors.push_back(std::move(error));
  CheckPstore(config, errors);
  CheckProcessors(config, host, errors);
  CheckFileBackedMappings(config, errors);
  CheckPci(config, errors);
  CheckHypervisor(config, errors);
}

}  // namespace touchstone
