#include "vmm/machine/build_machine.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/checked_math.h"
#include "base/scoped_fd.h"
#include "base/status.h"
#include "devices/pci/pci_address.h"
#include "devices/platform/pit/pit_registers.h"
#include "hypervisor/default_irq_routes.h"
#include "vmm/config/address_ranges.h"
#include "vmm/config/kernel_command_line.h"
#include "vmm/machine/acpi/acpi_config.h"
#include "vmm/machine/boot/command_line.h"
#include "vmm/machine/boot/kernel_loader.h"
#include "vmm/machine/boot/long_mode.h"
#include "vmm/machine/boot/memory_layout.h"
#include "vmm/machine/boot/rng_seed.h"
#include "vmm/machine/boot/rom.h"
#include "vmm/machine/boot_order.h"
#include "vmm/machine/cpu/host_performance.h"
#include "vmm/machine/cpu/hwp_msrs.h"
#include "vmm/machine/cpu/lapic.h"
#include "vmm/machine/device_host.h"
#include "vmm/machine/file_mappings.h"
#include "vmm/machine/firmware_files.h"
#include "vmm/machine/firmware_tables.h"
#include "vmm/machine/memory_policy.h"
#include "vmm/machine/processors.h"
#include "vmm/machine/split_irq_chip.h"
#include "vmm/machine/vcpu_placement.h"
#include "vmm/machine/vhost_user_devices.h"

namespace touchstone {
namespace {

constexpr uint64_t kHugePage = 2 << 20;

// What the options say of addresses. Ranges that no guest reaches are no concern.
absl::StatusOr<MemoryLayout> PlanMemory(const RunConfig& config, int physical_bits) {
  MemoryLayoutOptions options = {.ram_size = config.mem().size() * kMiB,
                                 .pstore_size = config.pstore().size(),
                                 .holes = FileMappingRanges(config),
                                 .ram_in_holes = FileMappingRanges(config, /*ram_only=*/true),
                                 .firmware_places_bars = config.has_bios(),
                                 .physical_bits = physical_bits};
  if (config.has_pci_start()) options.hole_start = GuestAddress{config.pci_start()};
  if (config.has_pcie_ecam()) {
    ASSIGN_OR_RETURN(const ConfiguredRange ecam, ParseEcam(config.pcie_ecam()));
    options.ecam = {GuestAddress{ecam.start}, ecam.size};
  }
  if (config.has_mmio_address_range()) {
    constexpr uint64_t kEnd = uint64_t{1} << 52;
    ASSIGN_OR_RETURN(const std::vector<ConfiguredRange> ranges,
                     ParseAddressRanges(config.mmio_address_range()));
    for (const ConfiguredRange& range : ranges) {
      const uint64_t start = AlignDown(std::min(range.start, kEnd), kGuestPageSize);
      const uint64_t last = std::min(range.start + (range.size - 1), kEnd - 1);
      if (start < kEnd) options.without_bars.push_back({GuestAddress{start}, last - start + 1});
    }
  }
  return MemoryLayout::Plan(options);
}

// The in-kernel interrupt controllers come after the memory slots: each slot set later waits for
// milliseconds.
absl::StatusOr<std::unique_ptr<Vm>> CreateVm(const RunConfig& config, Hypervisor& hypervisor,
                                             const GuestMemory& memory,
                                             absl::Span<const FileMapping> files,
                                             const GuestMemory& rom, const Processors& processors,
                                             SplitIrqChip* split) {
  ASSIGN_OR_RETURN(std::unique_ptr<Vm> vm, hypervisor.CreateVm());
  uint32_t slot = 0;
  for (const GuestMemory::Region& region : memory.regions()) {
    RETURN_IF_ERROR(Annotate(
        vm->SetMemory(slot++, {.start = region.start, .size = region.size, .host = region.host}),
        "--mem"));
  }
  for (const FileMapping& mapping : files) {
    RETURN_IF_ERROR(vm->SetMemory(slot++, {.start = mapping.start,
                                           .size = mapping.file.size(),
                                           .host = mapping.file.host(),
                                           .read_only = mapping.read_only}));
  }
  for (const GuestMemory::Region& region : rom.regions()) {
    RETURN_IF_ERROR(vm->SetMemory(
        slot++,
        {.start = region.start, .size = region.size, .host = region.host, .read_only = true}));
  }
  if (split != nullptr) {
    RETURN_IF_ERROR(Annotate(vm->CreateSplitIrqChip(kIoapicPins, *split), "--irqchip split"));
  } else {
    RETURN_IF_ERROR(vm->CreateIrqChip());
  }
  if (config.bus_lock_ratelimit() > 0) {
    RETURN_IF_ERROR(Annotate(vm->EnableExit(OptionalExit::kBusLock), "--bus-lock-ratelimit"));
  }
  if (config.enable_hwp()) {
    RETURN_IF_ERROR(Annotate(vm->EnableExit(OptionalExit::kUnknownMsr), "--enable-hwp"));
  }
  const uint32_t boot_id = processors.apic_ids[processors.boot];
  if (boot_id != 0) RETURN_IF_ERROR(Annotate(vm->SetBootCpu(boot_id), "--cpus"));
  return vm;
}

absl::StatusOr<AcpiConfig> Describe(const RunConfig& config, const MachineHost& host,
                                    const Processors& processors, const Machine::Parts& parts) {
  AcpiConfig acpi;
  acpi.apic_ids = processors.InBootOrder();
  if (config.itmt()) {
    absl::StatusOr<std::vector<AcpiPerformance>> performance =
        ReadHostPerformance(static_cast<uint32_t>(acpi.apic_ids.size()), host.cpu_folder);
    if (!performance.ok()) return Annotate(performance.status(), "--itmt");
    acpi.performance = processors.InBootOrder(*std::move(performance));
  }
  acpi.pci = parts.pci->Describe();
  parts.platform->Describe(acpi);
  return acpi;
}

absl::StatusOr<GuestMemory> OpenRom(const RunConfig& config) {
  if (!config.has_bios()) return GuestMemory();
  absl::StatusOr<ScopedFd> file = OpenFile(config.bios(), O_RDONLY);
  if (!file.ok()) return Annotate(file.status(), "--bios");
  return LoadRom({file->get(), config.bios()});
}

// What the first vCPU begins with, and all vCPUs' MSRs.
struct Entry {
  EntryState first;
  std::vector<Msr> msrs;
};

uint64_t SizeOf(const ScopedFd& file) {
  struct stat status = {};
  return file.valid() && fstat(file.get(), &status) == 0 ? static_cast<uint64_t>(status.st_size)
                                                         : 0;
}

// Huge pages save a Linux guest thousands of faults, but zeroing one takes longer than a small
// guest's whole start. So the boot data in low memory and files that would not fill a huge page
// come into small pages, and the advice follows them.
absl::StatusOr<Entry> EnterKernel(const RunConfig& config, const MemoryLayout& layout,
                                  const GuestMemory& memory, GuestAddress rsdp) {
  KernelLoadOptions options = {.rsdp = rsdp};
  ASSIGN_OR_RETURN(options.command_line, KernelCommandLine(config, Raw(layout.pstore.start)));
  ASSIGN_OR_RETURN(options.rng_seed, MakeRngSeed());
  absl::StatusOr<ScopedFd> kernel = OpenFile(config.kernel(), O_RDONLY);
  if (!kernel.ok()) return Annotate(kernel.status(), "KERNEL");
  options.kernel = {kernel->get(), config.kernel()};
  absl::StatusOr<ScopedFd> initrd = ScopedFd();
  if (config.has_initrd()) {
    initrd = OpenFile(config.initrd(), O_RDONLY);
    if (!initrd.ok()) return Annotate(initrd.status(), "--initrd");
    options.initrd = {initrd->get(), config.initrd()};
  }
  if (SizeOf(*kernel) + SizeOf(*initrd) >= kHugePage) {
    memory.AdviseHugePages(GuestAddress{kHugePage});
  }
  ASSIGN_OR_RETURN(BootState boot, LoadKernel(memory, layout, options));
  memory.AdviseHugePages(GuestAddress{0});
  return Entry{.first = {boot.registers, boot.special_registers}, .msrs = std::move(boot.msrs)};
}

// The command line is there for a ROM that looks for it (crosvm.md 7.3). The ROM's shadow lies over
// the tables as far as it reaches.
absl::StatusOr<Entry> EnterRom(const RunConfig& config, const MemoryLayout& layout,
                               const GuestMemory& memory, const GuestMemory& rom) {
  ASSIGN_OR_RETURN(const std::string line, KernelCommandLine(config, Raw(layout.pstore.start)));
  RETURN_IF_ERROR(WriteCommandLine(memory, line, kLongestCommandLine));
  RETURN_IF_ERROR(ShadowRom(rom, memory));
  memory.AdviseHugePages(GuestAddress{0});
  return Entry{.first = EnterResetVector()};
}

// Without an entry the vCPUs stay as they are made.
absl::Status CreateVcpus(const RunConfig& config, const Processors& processors,
                         const std::optional<Entry>& entry, Machine::Parts& parts) {
  const bool leaky = config.core_scheduling() && HostThreadsLeak();
  const VcpuThread::Targets targets = {parts.ports.get(),     parts.mmio.get(),
                                       parts.lifecycle.get(), parts.pause.get(),
                                       parts.split.get(),     config.bus_lock_ratelimit(),
                                       parts.hwp.get()};
  for (uint32_t i = 0; i < processors.apic_ids.size(); ++i) {
    ASSIGN_OR_RETURN(std::unique_ptr<Vcpu> vcpu,
                     parts.vm->CreateVcpu(processors.apic_ids[i], processors.cpuid[i]));
    std::vector<Msr> msrs = entry.has_value() ? entry->msrs : std::vector<Msr>();
    if (parts.hwp != nullptr) msrs.push_back({kMsrPlatformInfo, parts.hwp->PlatformInfo(i)});
    RETURN_IF_ERROR(vcpu->SetMsrs(msrs).status());
    if (i == processors.boot && parts.split != nullptr) parts.split->SetBootVcpu(vcpu.get());
    if (i == processors.boot && entry.has_value()) {
      ASSIGN_OR_RETURN(LapicState lapic, vcpu->GetLapic());
      WireLocalInterrupts(lapic);
      RETURN_IF_ERROR(vcpu->SetLapic(lapic));
      RETURN_IF_ERROR(vcpu->SetSpecialRegisters(entry->first.special));
      RETURN_IF_ERROR(vcpu->SetRegisters(entry->first.general));
    }
    parts.vcpus.push_back(
        std::make_unique<VcpuThread>(std::move(vcpu), i, targets, PlanPlacement(config, i, leaky)));
  }
  // The threads inherit this one's.
  if (leaky && config.per_vm_core_scheduling()) TakeCoreCookie();
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Machine>> BuildMachine(const RunConfig& config,
                                                      const MachineHost& host,
                                                      absl::AnyInvocable<void()> on_end) {
  Machine::Parts parts;
  parts.lifecycle = std::make_unique<Lifecycle>(std::move(on_end));
  parts.pause = std::make_unique<PauseGate>();
  ASSIGN_OR_RETURN(const Processors processors, PlanProcessors(config, *host.hypervisor));
  ASSIGN_OR_RETURN(const MemoryLayout layout, PlanMemory(config, processors.physical_bits));
  std::vector<GuestMemory::RegionSpec> regions = layout.RamRegions();
  ASSIGN_OR_RETURN(const std::vector<FileMemory> files, OpenFileMemory(config));
  for (const FileMemory& file : files) regions.push_back(file.spec);
  // Private, unless another process is handed it.
  const bool shared = DeviceHost::Wanted(config) || HasVhostUserDevices(config);
  absl::StatusOr<GuestMemory> memory = GuestMemory::Create(
      regions, {.backing = shared ? GuestMemory::Backing::kMemfd : GuestMemory::Backing::kAnonymous,
                .huge_pages = config.hugepages()});
  if (!memory.ok()) return Annotate(memory.status(), "--mem");
  parts.memory = *std::move(memory);
  RETURN_IF_ERROR(ApplyMemoryPolicy(config, parts.memory));
  ASSIGN_OR_RETURN(parts.files, OpenFileMappings(config, layout));
  ASSIGN_OR_RETURN(parts.rom, OpenRom(config));
  if (config.irqchip() == IRQCHIP_SPLIT) parts.split = std::make_unique<SplitIrqChip>();
  ASSIGN_OR_RETURN(parts.vm, CreateVm(config, *host.hypervisor, parts.memory, parts.files,
                                      parts.rom, processors, parts.split.get()));

  parts.ports = std::make_unique<Bus>("port", Bus::kLastPort);
  parts.mmio = std::make_unique<Bus>("MMIO", Bus::kLastMmioAddress);
  parts.interrupts = std::make_unique<InterruptRouter>(*parts.vm, parts.split.get());
  if (parts.split != nullptr) {
    RETURN_IF_ERROR(
        parts.split->AddTo(*parts.ports, *parts.mmio, host, parts.interrupts->Connect(kPitIrq)));
  }
  ASSIGN_OR_RETURN(parts.platform,
                   PlatformDevices::Create(config, host, layout, *parts.ports, *parts.interrupts,
                                           *parts.lifecycle, *parts.pause));
  if (config.has_pflash()) {
    RETURN_IF_ERROR(parts.platform->AddFlash(config.pflash(), parts.rom.total_size(), *parts.mmio));
  }
  ASSIGN_OR_RETURN(
      parts.virtio,
      VirtioDevices::Create({.config = config,
                             .host = host,
                             .memory = parts.memory,
                             .failed = [lifecycle = parts.lifecycle.get()](
                                           const absl::Status& why) { lifecycle->Fail(why); }},
                            *parts.vm, *parts.interrupts));
  ASSIGN_OR_RETURN(parts.pci,
                   PciDevices::Create(config, layout, *parts.ports, *parts.mmio, *parts.interrupts,
                                      parts.virtio->functions(), *parts.lifecycle));

  ASSIGN_OR_RETURN(AcpiConfig acpi, Describe(config, host, processors, parts));
  ASSIGN_OR_RETURN(const FirmwareContent content, ReadFirmwareContent(config, std::move(acpi)));
  std::vector<FwCfg::File> for_firmware;
  if (config.has_bios()) {
    ASSIGN_OR_RETURN(for_firmware, FirmwareFiles(content, layout));
  }
  if (const std::vector<PciAddress> disks = parts.pci->boot_order(); !disks.empty()) {
    for_firmware.push_back(BootOrderFile(disks));
  }
  RETURN_IF_ERROR(parts.platform->AddFwCfg(config, std::move(for_firmware), *parts.ports));
  std::optional<Entry> entry;
  if (!host.restored) {
    ASSIGN_OR_RETURN(const GuestAddress rsdp, WriteFirmwareTables(content, parts.memory));
    ASSIGN_OR_RETURN(entry, config.has_bios() ? EnterRom(config, layout, parts.memory, parts.rom)
                                              : EnterKernel(config, layout, parts.memory, rsdp));
  }
  // The process first, then its vCPUs' threads (crosvm.md 9.5).
  if (config.has_vcpu_cgroup_path()) {
    RETURN_IF_ERROR(JoinCgroup(config.vcpu_cgroup_path(), getpid()));
  }
  if (config.enable_hwp()) {
    absl::StatusOr<std::unique_ptr<HwpMsrs>> hwp =
        HwpMsrs::Open(static_cast<uint32_t>(processors.apic_ids.size()), host.msr_folder);
    if (!hwp.ok()) return Annotate(hwp.status(), "--enable-hwp");
    parts.hwp = *std::move(hwp);
  }
  parts.apic_ids = processors.apic_ids;
  parts.boot_vcpu = processors.boot;
  ASSIGN_OR_RETURN(parts.state_msrs, host.hypervisor->StateMsrs());
  RETURN_IF_ERROR(CreateVcpus(config, processors, entry, parts));
  return std::make_unique<Machine>(std::move(parts));
}

}  // namespace touchstone
