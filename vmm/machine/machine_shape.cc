#include "vmm/machine/machine_shape.h"

#include <algorithm>
#include <array>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/endian.h"
#include "base/status.h"
#include "devices/pci/pci_address.h"
#include "devices/pci/pci_registers.h"

namespace touchstone {
namespace {

using Memory = google::protobuf::RepeatedPtrField<MemoryShape>;

absl::Status Different(absl::string_view saved, absl::string_view here) {
  return absl::FailedPreconditionError(
      absl::StrCat("the snapshot has ", saved, ", this machine has ", here));
}

void Add(uint64_t address, uint64_t size, Memory& memory) {
  MemoryShape& shape = *memory.Add();
  shape.set_address(address);
  shape.set_size(size);
}

std::string Text(const MemoryShape& memory) {
  return absl::StrFormat("0x%x bytes at 0x%x", memory.size(), memory.address());
}

std::string Text(const PciFunctionShape& function) {
  return absl::StrFormat("%s (%04x:%04x) at %s", function.name(), function.vendor(),
                         function.device(), function.address());
}

// Names what one list has and the other has not.
absl::Status CheckMemory(const Memory& saved, const Memory& here, absl::string_view kind) {
  for (int i = 0; i < std::max(saved.size(), here.size()); ++i) {
    if (i >= saved.size()) {
      return Different(absl::StrCat("no more ", kind), Text(here[i]));
    }
    if (i >= here.size()) {
      return Different(Text(saved[i]), absl::StrCat("no more ", kind));
    }
    if (saved[i].address() == here[i].address() && saved[i].size() == here[i].size()) continue;
    return Annotate(Different(Text(saved[i]), Text(here[i])), kind);
  }
  return absl::OkStatus();
}

absl::Status CheckFunctions(const MachineShape& saved, const MachineShape& here) {
  for (int i = 0; i < std::max(saved.functions_size(), here.functions_size()); ++i) {
    if (i >= saved.functions_size()) return Different("no more devices", Text(here.functions(i)));
    if (i >= here.functions_size()) return Different(Text(saved.functions(i)), "no more devices");
    const PciFunctionShape& a = saved.functions(i);
    const PciFunctionShape& b = here.functions(i);
    if (a.address() == b.address() && a.vendor() == b.vendor() && a.device() == b.device()) {
      continue;
    }
    return Different(Text(a), Text(b));
  }
  return absl::OkStatus();
}

}  // namespace

MachineShape ShapeOf(Machine& machine) {
  MachineShape shape;
  const Machine::Parts& parts = machine.parts();
  for (const uint32_t id : parts.apic_ids) shape.add_vcpus(id);
  shape.set_boot_vcpu(parts.boot_vcpu);
  for (const GuestMemory::Region& region : parts.memory.regions()) {
    Add(Raw(region.start), region.size, *shape.mutable_memory());
  }
  for (const FileMapping& file : parts.files) {
    Add(Raw(file.start), file.file.size(), *shape.mutable_mappings());
  }
  for (const GuestMemory::Region& region : parts.rom.regions()) {
    Add(Raw(region.start), region.size, *shape.mutable_mappings());
  }
  PciRoot& root = parts.pci->root();
  for (const PciAddress address : root.functions()) {
    std::array<uint8_t, 4> ids = {};
    root.ReadConfig(address, kPciVendorId, absl::MakeSpan(ids));
    PciFunctionShape& function = *shape.add_functions();
    function.set_address(address.ToString());
    function.set_vendor(static_cast<uint32_t>(LoadLe(absl::MakeConstSpan(ids).first(2))));
    function.set_device(static_cast<uint32_t>(LoadLe(absl::MakeConstSpan(ids).last(2))));
    function.set_name(std::string(root.NameOf(address)));
  }
  if (parts.split != nullptr) shape.add_devices("--irqchip split");
  for (std::string& name : parts.platform->Names()) shape.add_devices(std::move(name));
  return shape;
}

absl::Status CheckShape(const MachineShape& saved, const MachineShape& here) {
  if (saved.vcpus_size() != here.vcpus_size()) {
    return Different(absl::StrCat(saved.vcpus_size(), " vCPUs"), absl::StrCat(here.vcpus_size()));
  }
  for (int i = 0; i < here.vcpus_size(); ++i) {
    if (saved.vcpus(i) == here.vcpus(i)) continue;
    return Annotate(Different(absl::StrCat("APIC id ", saved.vcpus(i)),
                              absl::StrCat("APIC id ", here.vcpus(i))),
                    absl::StrCat("vCPU ", i));
  }
  if (saved.boot_vcpu() != here.boot_vcpu()) {
    return Different(absl::StrCat("boot processor ", saved.boot_vcpu()),
                     absl::StrCat(here.boot_vcpu()));
  }
  RETURN_IF_ERROR(CheckMemory(saved.memory(), here.memory(), "memory"));
  RETURN_IF_ERROR(CheckMemory(saved.mappings(), here.mappings(), "mapped files"));
  RETURN_IF_ERROR(CheckFunctions(saved, here));
  if (!std::equal(saved.devices().begin(), saved.devices().end(), here.devices().begin(),
                  here.devices().end())) {
    return Annotate(
        Different(absl::StrJoin(saved.devices(), ", "), absl::StrJoin(here.devices(), ", ")),
        "platform devices");
  }
  return absl::OkStatus();
}

}  // namespace touchstone
