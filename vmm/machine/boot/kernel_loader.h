// Makes a new guest's memory and first vCPU ready to run a kernel: the one door to this folder.
//
//   ASSIGN_OR_RETURN(BootState boot, LoadKernel(memory, layout,
//       {.kernel = {fd.get(), "/boot/vmlinuz"}, .command_line = "console=ttyS0", .rsdp = rsdp}));
//   RETURN_IF_ERROR(vcpu.SetSpecialRegisters(boot.special_registers));
//   RETURN_IF_ERROR(vcpu.SetRegisters(boot.registers));
//
// The kernel is a bzImage or an ELF file; which is told from its bytes. Functions of their
// arguments: thread-safe.

#ifndef TOUCHSTONE_VMM_MACHINE_BOOT_KERNEL_LOADER_H_
#define TOUCHSTONE_VMM_MACHINE_BOOT_KERNEL_LOADER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/memory/guest_address.h"
#include "base/memory/guest_memory.h"
#include "hypervisor/x86_64/state.h"
#include "vmm/machine/boot/elf.h"
#include "vmm/machine/boot/kernel_image.h"
#include "vmm/machine/boot/memory_layout.h"

namespace touchstone {

// An open file and the name it has in errors. The descriptor is borrowed for the call.
struct KernelSource {
  int fd = -1;
  std::string path;
};

struct KernelLoadOptions {
  KernelSource kernel = {};
  std::optional<KernelSource> initrd = std::nullopt;
  std::string command_line = {};
  // ACPI's root pointer; 0 when there are no tables.
  GuestAddress rsdp{};
  // Reserved in the E820 map besides what MemoryLayout::E820 knows.
  std::vector<MemoryRange> reserved = {};
  // Random bytes for the guest's entropy pool (MakeRngSeed); may be empty.
  std::vector<uint8_t> rng_seed = {};
  ElfEntry elf_entry = ElfEntry::kAutomatic;
};

struct BootState {
  // Of the first vCPU.
  GeneralRegisters registers;
  SpecialRegisters special_registers;
  // Of every vCPU.
  std::vector<Msr> msrs;
  BootProtocol protocol = BootProtocol::kLinux64;
  // Where things are, for logs and debuggers.
  MemoryRange kernel;
  MemoryRange initrd;
};

// REQUIRES: `memory` is new (what nobody wrote is zero) and has the RAM of `layout`.
// Writes below 0xA_0000 and from 1 MiB on; the tables between are the caller's.
// An error is one line that names the file or option, and the reason.
absl::StatusOr<BootState> LoadKernel(const GuestMemory& memory, const MemoryLayout& layout,
                                     const KernelLoadOptions& options);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_BOOT_KERNEL_LOADER_H_
