#include "vmm/machine/pci_devices.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace touchstone {
namespace {

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
  for (uint32_t gsi : kIntxGsis) root.intx.push_back({gsi, &interrupts.Connect(gsi)});
  self->root_ = std::make_unique<PciRoot>(std::move(root));
  self->cam_ = std::make_unique<PciCam>(
      *self->root_, PciCam::Options{.broken = config.break_linux_pci_config_io(),
                                    .on_reset = [&lifecycle] { lifecycle.End(EndOfRun::kReset); }});
  self->ecam_ = std::make_unique<PciEcam>(*self->root_, layout.ecam.size);
  RETURN_IF_ERROR(ports.Insert({PciCam::kFirstPort, PciCam::kPortCount}, "PCI configuration",
                               self->cam_.get()));
  RETURN_IF_ERROR(mmio.Insert(RangeOf(layout.ecam), "PCI ECAM", self->ecam_.get()));

  RETURN_IF_ERROR(self->AddFunctions(config, functions));

  // Crash-loaded alone is no end: the crash kernel runs on.
  self->pvpanic_ = std::make_unique<Pvpanic>([&lifecycle](uint8_t events) {
    if (events == Pvpanic::kPanicked) lifecycle.NotePanic();
  });
  RETURN_IF_ERROR(self->root_->Add(*self->pvpanic_).status());
  return self;
}

absl::Status PciDevices::AddFunctions(const RunConfig& config,
                                      absl::Span<const PlacedFunction> functions) {
  std::vector<PlacedFunction> all(functions.begin(), functions.end());
  for (const StubPciDeviceConfig& stub : config.stub_pci_device()) {
    absl::StatusOr<PciAddress> address = PciAddress::Parse(stub.address());
    if (!address.ok()) return Annotate(address.status(), "--stub-pci-device: address=");
    const std::string name = absl::StrCat("--stub-pci-device ", stub.address());
    stubs_.push_back(std::make_unique<StubFunction>(name, IdentityOf(stub)));
    all.push_back({stubs_.back().get(), *address});
  }
  for (const bool placed : {true, false}) {
    for (const PlacedFunction& wanted : all) {
      if (wanted.address.has_value() != placed) continue;
      RETURN_IF_ERROR(root_->Add(*wanted.function, wanted.address).status());
    }
  }
  return absl::OkStatus();
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
