#include "vmm/machine/pci_devices.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "devices/platform/acpi_pm/acpi_pm_registers.h"
#include "vmm/machine/machine_state.pb.h"

namespace touchstone {
namespace {

// How SeaBIOS tells a machine with fw_cfg: Red Hat's "QEMU virtual machine".
constexpr uint16_t kQemuSubsystemVendor = 0x1AF4;
constexpr uint16_t kQemuSubsystem = 0x1100;

// The south bridge beside the host bridge: SeaBIOS and OVMF look for its ISA bridge (OVMF's serial
// ports are behind that) and, at function 3, for where power management has its ports.
constexpr uint8_t kSouthBridgeDevice = 1;
constexpr uint8_t kPowerManagementFunction = 3;
constexpr PciIdentity kPiix3Isa{.vendor = 0x8086, .device = 0x7000, .class_code = 0x060100};
constexpr PciIdentity kPiix4Pm{
    .vendor = 0x8086, .device = 0x7113, .revision = 3, .class_code = 0x068000};
// Intel 82371AB datasheet, 7.1 and 7.2. The base is set and enabled, which both firmwares then
// leave alone. SMIs on the APM port look enabled: who finds that takes system management mode for
// set up already, and there is none.
constexpr StubFunction::FixedRegister kPiix4Registers[] = {
    {0x40, kAcpiPmPort | 1},    // PMBA
    {0x58, uint32_t{1} << 25},  // DEVACTB: APMC_EN
    {0x80, 1},                  // PMREGMISC: PMIOSE
};

constexpr AddressRange kIoWindow = {0xC000, 0x4000};

AddressRange RangeOf(const MemoryRange& range) { return {Raw(range.start), range.size}; }

AcpiWindow WindowOf(const MemoryRange& range) { return {Raw(range.start), range.size}; }

std::vector<AddressRange> RangesOf(absl::Span<const MemoryRange> ranges) {
  std::vector<AddressRange> converted;
  for (const MemoryRange& range : ranges) converted.push_back(RangeOf(range));
  return converted;
}

PciIdentity IdentityOf(const StubPciDeviceConfig& config) {
  return {.vendor = static_cast<uint16_t>(config.vendor()),
          .device = static_cast<uint16_t>(config.device()),
          .revision = static_cast<uint8_t>(config.revision()),
          .class_code = config.class_(),
          .subsystem_vendor = static_cast<uint16_t>(config.subsystem_vendor()),
          .subsystem = static_cast<uint16_t>(config.subsystem_device())};
}

}  // namespace

absl::StatusOr<std::unique_ptr<PciDevices>> PciDevices::Create(
    const RunConfig& config, const MemoryLayout& layout, Bus& ports, Bus& mmio,
    InterruptRouter& interrupts, absl::Span<const PlacedFunction> functions, Lifecycle& lifecycle) {
  std::unique_ptr<PciDevices> self(new PciDevices);
  self->layout_ = layout;
  PciRootConfig root = {.ports = &ports,
                        .mmio = &mmio,
                        .io_windows = {kIoWindow},
                        .low_windows = RangesOf(layout.LowBarWindows()),
                        .high_windows = RangesOf(layout.HighBarWindows())};
  if (config.has_bios()) {
    root.bridge_subsystem_vendor = kQemuSubsystemVendor;
    root.bridge_subsystem = kQemuSubsystem;
  }
  for (uint32_t gsi : kIntxGsis) root.intx.push_back({gsi, &interrupts.Connect(gsi)});
  self->root_ = std::make_unique<PciRoot>(std::move(root));
  self->cam_ = std::make_unique<PciCam>(
      *self->root_, PciCam::Options{.broken = config.break_linux_pci_config_io(),
                                    .on_reset = [&lifecycle] { lifecycle.End(EndOfRun::kReset); }});
  self->ecam_ = std::make_unique<PciEcam>(*self->root_, layout.ecam.size);
  RETURN_IF_ERROR(ports.Insert({PciCam::kFirstPort, PciCam::kPortCount}, "PCI configuration",
                               self->cam_.get()));
  RETURN_IF_ERROR(mmio.Insert(RangeOf(layout.ecam), "PCI ECAM", self->ecam_.get()));

  if (config.has_bios()) RETURN_IF_ERROR(self->AddSouthBridge());
  RETURN_IF_ERROR(self->AddFunctions(config, functions));

  // Crash-loaded alone is no end: the crash kernel runs on.
  self->pvpanic_ = std::make_unique<Pvpanic>([&lifecycle](uint8_t events) {
    if (events == Pvpanic::kPanicked) lifecycle.NotePanic();
  });
  RETURN_IF_ERROR(self->root_->Add(*self->pvpanic_).status());
  return self;
}

absl::Status PciDevices::AddSouthBridge() {
  stubs_.push_back(std::make_unique<StubFunction>("ISA bridge of --bios", kPiix3Isa));
  RETURN_IF_ERROR(root_->Add(*stubs_.back(), PciAddress{.device = kSouthBridgeDevice}).status());
  stubs_.push_back(
      std::make_unique<StubFunction>("power management of --bios", kPiix4Pm, kPiix4Registers));
  return root_
      ->Add(*stubs_.back(),
            PciAddress{.device = kSouthBridgeDevice, .function = kPowerManagementFunction})
      .status();
}

absl::Status PciDevices::AddFunctions(const RunConfig& config,
                                      absl::Span<const PlacedFunction> functions) {
  std::vector<PlacedFunction> all(functions.begin(), functions.end());
  for (const StubPciDeviceConfig& stub : config.stub_pci_device()) {
    absl::StatusOr<PciAddress> address = PciAddress::Parse(stub.address());
    if (!address.ok()) return Annotate(address.status(), "--stub-pci-device: address=");
    const std::string name = absl::StrCat("--stub-pci-device ", stub.address());
    stubs_.push_back(std::make_unique<StubFunction>(name, IdentityOf(stub)));
    all.push_back({.function = stubs_.back().get(), .address = *address});
  }
  for (const bool placed : {true, false}) {
    for (const PlacedFunction& wanted : all) {
      if (wanted.address.has_value() != placed) continue;
      ASSIGN_OR_RETURN(const PciAddress address, root_->Add(*wanted.function, wanted.address));
      if (wanted.boot_index.has_value()) boot_order_.insert({*wanted.boot_index, address});
    }
  }
  return absl::OkStatus();
}

absl::Status PciDevices::Save(PciSaved& saved) {
  const PciCam::State ports = cam_->Save();
  saved.set_address(ports.address);
  saved.set_reset_control(ports.reset_control);
  ASSIGN_OR_RETURN(std::vector<PciFunctionState> functions, root_->Save());
  for (PciFunctionState& function : functions) *saved.add_functions() = std::move(function);
  return absl::OkStatus();
}

absl::Status PciDevices::Restore(const PciSaved& saved) {
  cam_->Restore(
      {.address = saved.address(), .reset_control = static_cast<uint8_t>(saved.reset_control())});
  const std::vector<const PciFunctionState*> functions(saved.functions().pointer_begin(),
                                                       saved.functions().pointer_end());
  return root_->Restore(functions);
}

std::vector<PciAddress> PciDevices::boot_order() const {
  std::vector<PciAddress> order;
  for (const auto& [index, address] : boot_order_) order.push_back(address);
  return order;
}

AcpiPciHost PciDevices::Describe() const {
  AcpiPciHost host;
  host.ecam = AcpiEcam{Raw(layout_.ecam.start), PciRoot::kBusCount};
  host.bus_count = PciRoot::kBusCount;
  host.io_windows = {{kIoWindow.start, kIoWindow.size}};
  for (const MemoryRange& range : layout_.LowBarWindows()) {
    host.memory_windows.push_back(WindowOf(range));
  }
  for (const MemoryRange& range : layout_.HighBarWindows()) {
    host.memory_windows.push_back(WindowOf(range));
  }
  for (const PciIntxRoute& route : root_->intx_routes()) {
    host.routes.push_back({route.device, static_cast<uint8_t>(route.pin - 1), route.gsi});
  }
  return host;
}

}  // namespace touchstone
