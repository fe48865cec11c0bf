#include "vmm/machine/pci_devices.h"

#include <utility>

#include "base/status.h"

namespace touchstone {
namespace {

constexpr AddressRange kIoWindow = {0xC000, 0x4000};

AddressRange RangeOf(const MemoryRange& range) { return {Raw(range.start), range.size}; }

AcpiWindow WindowOf(const MemoryRange& range) { return {Raw(range.start), range.size}; }

}  // namespace

absl::StatusOr<std::unique_ptr<PciDevices>> PciDevices::Create(
    const MemoryLayout& layout, Bus& ports, Bus& mmio, InterruptRouter& interrupts,
    absl::Span<const PlacedFunction> functions, Lifecycle& lifecycle) {
  std::unique_ptr<PciDevices> self(new PciDevices);
  self->layout_ = layout;
  PciRootConfig config = {.ports = &ports,
                          .mmio = &mmio,
                          .io_windows = {kIoWindow},
                          .low_windows = {RangeOf(layout.low_mmio)},
                          .high_windows = {RangeOf(layout.high_mmio)}};
  for (uint32_t gsi : kIntxGsis) config.intx.push_back({gsi, &interrupts.Connect(gsi)});
  self->root_ = std::make_unique<PciRoot>(std::move(config));
  self->cam_ = std::make_unique<PciCam>(
      *self->root_, PciCam::Options{.on_reset = [&lifecycle] { lifecycle.End(EndOfRun::kReset); }});
  self->ecam_ = std::make_unique<PciEcam>(*self->root_, layout.ecam.size);
  RETURN_IF_ERROR(ports.Insert({PciCam::kFirstPort, PciCam::kPortCount}, "PCI configuration",
                               self->cam_.get()));
  RETURN_IF_ERROR(mmio.Insert(RangeOf(layout.ecam), "PCI ECAM", self->ecam_.get()));

  for (const bool placed : {true, false}) {
    for (const PlacedFunction& wanted : functions) {
      if (wanted.address.has_value() != placed) continue;
      RETURN_IF_ERROR(self->root_->Add(*wanted.function, wanted.address).status());
    }
  }

  // Crash-loaded alone is no end: the crash kernel runs on.
  self->pvpanic_ = std::make_unique<Pvpanic>([&lifecycle](uint8_t events) {
    if (events == Pvpanic::kPanicked) lifecycle.NotePanic();
  });
  RETURN_IF_ERROR(self->root_->Add(*self->pvpanic_).status());
  return self;
}

AcpiPciHost PciDevices::Describe() const {
  AcpiPciHost host;
  host.ecam = AcpiEcam{Raw(layout_.ecam.start), PciRoot::kBusCount};
  host.bus_count = PciRoot::kBusCount;
  host.io_windows = {{kIoWindow.start, kIoWindow.size}};
  host.memory_windows = {WindowOf(layout_.low_mmio), WindowOf(layout_.high_mmio)};
  for (const PciIntxRoute& route : root_->intx_routes()) {
    host.routes.push_back({route.device, static_cast<uint8_t>(route.pin - 1), route.gsi});
  }
  return host;
}

}  // namespace touchstone
