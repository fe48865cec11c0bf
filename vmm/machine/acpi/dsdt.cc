#include "vmm/machine/acpi/dsdt.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_format.h"
#include "base/bits.h"
#include "vmm/machine/acpi/aml.h"
#include "vmm/machine/acpi/osc_method.h"
#include "vmm/machine/acpi/processor_performance.h"
#include "vmm/machine/acpi/resource_template.h"
#include "vmm/machine/acpi/sdt.h"

namespace touchstone {
namespace {

constexpr uint8_t kRevision = 2;  // integers of 64 bits (5.2.11.1)
constexpr uint64_t kFourGiB = uint64_t{1} << 32;
constexpr uint64_t kBytesPerBus = uint64_t{1} << 20;  // PCI Express Base 4.0, 7.2.2

// PCI configuration ports, part of the host bridge itself (PCI Local Bus 3.0, 3.2.2.3.2).
constexpr uint16_t kPciConfigPort = 0xCF8;
constexpr uint8_t kPciConfigPorts = 8;

// 7.4.2: \_Sx is a package with the SLP_TYPa and SLP_TYPb values and two reserved integers.
Aml SleepState(absl::string_view name, uint8_t type) {
  return Aml::Name(name, Aml::Package({Aml::Integer(type), Aml::Integer(type), Aml::Integer(0),
                                       Aml::Integer(0)}));
}

// 8.4: processors as devices; _UID is what the MADT calls the processor UID.
Aml Processors(const AcpiConfig& config) {
  std::vector<Aml> devices = {Aml::Name("_HID", Aml::String("ACPI0010"))};
  for (size_t uid = 0; uid < config.apic_ids.size(); ++uid) {
    std::vector<Aml> terms = {Aml::Name("_HID", Aml::String("ACPI0007")),
                              Aml::Name("_UID", Aml::Integer(uid))};
    if (!config.performance.empty()) {
      terms.push_back(PerformanceControl(config.performance[uid]));
    }
    devices.push_back(Aml::Device(absl::StrFormat("C%03X", uid), terms));
  }
  return Aml::Device("CPUS", devices);
}

// 6.2.13: one package for each pin: address with function 0xFFFF for any, pin, source 0 for a GSI,
// the GSI.
Aml RoutingTable(absl::Span<const AcpiPciRoute> routes) {
  std::vector<Aml> entries;
  for (const AcpiPciRoute& route : routes) {
    entries.push_back(
        Aml::Package({Aml::Integer(uint32_t{route.slot} << 16 | 0xFFFF), Aml::Integer(route.pin),
                      Aml::Integer(0), Aml::Integer(route.gsi)}));
  }
  return Aml::Name("_PRT", Aml::Package(entries));
}

// _OSC for a PCI host bridge: PCI Firmware 3.3, section 4.5. A control is refused when firmware
// keeps the feature for itself. There is no firmware here that handles hot plug, errors or power
// management events, so the guest controls all that it asks for, also of what no device has.
Aml PciControls() {
  constexpr uint32_t kNativeHotPlug = Bit(0), kShpcHotPlug = Bit(1), kPme = Bit(2), kAer = Bit(3),
                     kCapability = Bit(4), kLtr = Bit(5), kDpc = Bit(7);
  return OscMethod("33DB4D5B-1FF7-401C-9657-7441C03DD766", 8,
                   kNativeHotPlug | kShpcHotPlug | kPme | kAer | kCapability | kLtr | kDpc);
}

Aml PciHostBridge(const AcpiPciHost& pci) {
  ResourceTemplate crs;
  crs.AddBusNumbers(0, pci.ecam.has_value() ? pci.ecam->bus_count : pci.bus_count);
  crs.AddIo(kPciConfigPort, kPciConfigPorts);
  for (const AcpiWindow& window : pci.io_windows) {
    crs.AddIoWindow(static_cast<uint16_t>(window.start), static_cast<uint32_t>(window.size));
  }
  for (const AcpiWindow& window : pci.memory_windows) {
    if (window.start + (window.size - 1) < kFourGiB) {
      crs.AddMemory32(static_cast<uint32_t>(window.start), window.size, ResourceUse::kProducer);
    } else {
      crs.AddMemory64(window.start, window.size, ResourceUse::kProducer);
    }
  }
  // PNP0A08 is a PCI Express host bridge, PNP0A03 what it is compatible with.
  std::vector<Aml> terms = {Aml::Name("_HID", Aml::EisaId("PNP0A08")),
                            Aml::Name("_CID", Aml::EisaId("PNP0A03")),
                            Aml::Name("_UID", Aml::Integer(0)),
                            Aml::Name("_SEG", Aml::Integer(0)),
                            Aml::Name("_BBN", Aml::Integer(0)),
                            PciControls(),
                            Aml::Name("_CRS", crs.Build())};
  if (!pci.routes.empty()) terms.push_back(RoutingTable(pci.routes));
  return Aml::Device("PC00", terms);
}

// PCI Firmware 3.2, 4.1.2: ECAM must be a reserved motherboard resource, or guests do not trust
// the MCFG table.
Aml EcamReservation(const AcpiEcam& ecam) {
  ResourceTemplate crs;
  const uint64_t size = ecam.bus_count * kBytesPerBus;
  if (ecam.base + size <= kFourGiB) {
    crs.AddFixedMemory32(static_cast<uint32_t>(ecam.base), static_cast<uint32_t>(size));
  } else {
    crs.AddMemory64(ecam.base, size, ResourceUse::kConsumer);
  }
  return Aml::Device("MRES", {Aml::Name("_HID", Aml::EisaId("PNP0C02")),
                              Aml::Name("_UID", Aml::Integer(0)), Aml::Name("_CRS", crs.Build())});
}

Aml RealTimeClock(const AcpiRtc& rtc) {
  ResourceTemplate crs;
  crs.AddIo(rtc.port, 2);
  crs.AddIrq(rtc.irq, IrqSharing::kExclusive);
  return Aml::Device("RTC",
                     {Aml::Name("_HID", Aml::EisaId("PNP0B00")), Aml::Name("_CRS", crs.Build())});
}

Aml ComPort(const std::vector<AcpiComPort>& ports, size_t index) {
  const AcpiComPort& port = ports[index];
  const auto users = std::count_if(ports.begin(), ports.end(),
                                   [&](const auto& other) { return other.irq == port.irq; });
  ResourceTemplate crs;
  crs.AddIo(port.port, 8);
  crs.AddIrq(port.irq, users > 1 ? IrqSharing::kShared : IrqSharing::kExclusive);
  return Aml::Device(absl::StrFormat("COM%d", index + 1),
                     {Aml::Name("_HID", Aml::EisaId("PNP0501")),
                      Aml::Name("_UID", Aml::Integer(index + 1)), Aml::Name("_CRS", crs.Build())});
}

// The low-power S0 idle device, by which Linux (drivers/acpi/x86/s2idle.c) and Windows say that
// they enter and leave suspend-to-idle: functions 5 and 6 of its _DSM. crosvm's virtual PMC
// (crosvm.md 9.3) has a driver in ChromeOS only. The interface has two UUIDs that guests know:
// Intel's, which Linux uses on Intel's processors, and Microsoft's, on AMD's. Functions 3 and 4,
// for the screen, are there because guests insist on them.
Aml LowPowerIdle(uint16_t port) {
  constexpr uint64_t kEnter = 5, kLeave = 6;
  constexpr uint8_t kFunctions = Bit(0) | Bit(3) | Bit(4) | Bit(kEnter) | Bit(kLeave);
  const Aml known = Aml::Local(0), function = Aml::Arg(2), idle = Aml::Path("IDLE");
  return Aml::Device(
      "LPID",
      {Aml::Name("_HID", Aml::EisaId("PNP0D80")), Aml::Name("_UID", Aml::Integer(0)),
       Aml::PortRegion("IREG", port, 1), Aml::ByteField("IREG", "IDLE"),
       Aml::Method(
           "_DSM", 4,
           {Aml::Or(Aml::Equal(Aml::Arg(0), Aml::Uuid("C4EB40A0-6CD2-11E2-BCFD-0800200C9A66")),
                    Aml::Equal(Aml::Arg(0), Aml::Uuid("11E00D56-CE64-47CE-837B-1F898F9AA461")),
                    known),
            Aml::If(known, {Aml::If(Aml::Equal(function, Aml::Integer(0)),
                                    {Aml::Return(Aml::Buffer({kFunctions, 0, 0, 0}))}),
                            Aml::If(Aml::Equal(function, Aml::Integer(kEnter)),
                                    {Aml::Store(Aml::Integer(1), idle)}),
                            Aml::If(Aml::Equal(function, Aml::Integer(kLeave)),
                                    {Aml::Store(Aml::Integer(0), idle)})}),
            Aml::Return(Aml::Buffer({0}))})});
}

}  // namespace

std::vector<uint8_t> BuildDsdt(const AcpiConfig& config) {
  std::vector<Aml> system_bus = {Processors(config), PciHostBridge(config.pci)};
  if (!config.performance.empty()) system_bus.push_back(PlatformCapabilities());
  if (config.pci.ecam.has_value()) system_bus.push_back(EcamReservation(*config.pci.ecam));
  if (config.rtc.has_value()) system_bus.push_back(RealTimeClock(*config.rtc));
  for (size_t i = 0; i < config.com_ports.size(); ++i) {
    system_bus.push_back(ComPort(config.com_ports, i));
  }
  if (config.power.idle_port.has_value()) {
    system_bus.push_back(LowPowerIdle(*config.power.idle_port));
  }
  system_bus.push_back(Aml::Raw(config.system_bus_aml));

  std::vector<Aml> terms;
  if (config.power.standby_sleep_type.has_value()) {
    terms.push_back(SleepState("\\_S1", *config.power.standby_sleep_type));
  }
  terms.push_back(SleepState("\\_S5", config.power.soft_off_sleep_type));
  terms.push_back(Aml::Scope("\\_SB", system_bus));

  std::vector<uint8_t> body;
  for (const Aml& term : terms) body.insert(body.end(), term.bytes().begin(), term.bytes().end());
  return BuildSdt("DSDT", kRevision, body);
}

}  // namespace touchstone
