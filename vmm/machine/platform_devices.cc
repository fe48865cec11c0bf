#include "vmm/machine/platform_devices.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "devices/platform/acpi_pm/acpi_pm_registers.h"
#include "devices/platform/fw_cfg/fw_cfg_files.h"
#include "devices/platform/rtc/rtc_registers.h"
#include "devices/platform/serial/serial_registers.h"
#include "vmm/machine/acpi/aml.h"
#include "vmm/machine/acpi/resource_template.h"
#include "vmm/machine/platform_state.h"
#include "vmm/machine/platform_state.pb.h"

namespace touchstone {
namespace {

constexpr uint8_t kSciGsi = 5;  // crosvm.md 5.22

// QEMU, docs/specs/fw_cfg, "Guest-side". Without it Linux's driver, which Debian builds without
// module parameters, does not find the device. crosvm has no such node (crosvm.md 7.6).
Aml FwCfgNode() {
  // ACPI 6.4, 6.3.7: present, decoding and functioning, but not to be shown to a user.
  constexpr uint64_t kStatus = 0x0B;
  ResourceTemplate crs;
  crs.AddIo(FwCfg::kPort, FwCfg::kPortCount);
  return Aml::Device(
      "FWCF", {Aml::Name("_HID", Aml::String("QEMU0002")), Aml::Name("_STA", Aml::Integer(kStatus)),
               Aml::Name("_CRS", crs.Build())});
}

// Without a control socket nobody could wake a guest that sleeps: it is awake again at once.
AcpiPmHooks PmHooks(const RunConfig& config, Lifecycle& lifecycle, PauseGate& pause) {
  AcpiPmHooks hooks = {.on_power_off = [&lifecycle] { lifecycle.End(EndOfRun::kPowerOff); }};
  if (!config.has_socket()) return hooks;
  hooks.on_suspend = [&pause] { pause.Close(PauseGate::Reason::kSleep, nullptr); };
  hooks.on_wake = [&pause] { pause.Open(PauseGate::Reason::kSleep); };
  return hooks;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PlatformDevices>> PlatformDevices::Create(
    const RunConfig& config, const MachineHost& host, const MemoryLayout& layout, Bus& ports,
    InterruptRouter& interrupts, Lifecycle& lifecycle, PauseGate& pause) {
  std::unique_ptr<PlatformDevices> self(new PlatformDevices(config.s2idle()));
  self->serial_.reserve(config.serial_size());
  for (const SerialConfig& serial : config.serial()) {
    if (serial.console()) self->main_console_ = self->consoles_.size();
    if (serial.hardware() != SerialConfig::SERIAL && serial.hardware() != SerialConfig::DEBUGCON) {
      // The virtio devices'.
      self->consoles_.push_back({absl::StrCat("virtio-console ", serial.num())});
      continue;
    }
    RETURN_IF_ERROR(self->AddSerial(serial, host, ports, interrupts, config.has_socket()));
  }
  if (!config.no_i8042()) {
    const uint8_t status = config.has_bios() ? I8042::kNoAnswer : uint8_t{0};
    self->i8042_ = std::make_unique<I8042>(I8042::kFirstPortBesidePit, status,
                                           [&lifecycle] { lifecycle.End(EndOfRun::kReset); });
    RETURN_IF_ERROR(ports.Insert(
        {I8042::kFirstPortBesidePit, I8042::kLastPort - I8042::kFirstPortBesidePit + 1}, "i8042",
        self->i8042_.get()));
  }
  self->acpi_pm_ = std::make_unique<AcpiPm>(*host.clock, *host.loop, interrupts.Connect(kSciGsi),
                                            PmHooks(config, lifecycle, pause));
  RETURN_IF_ERROR(
      ports.Insert({kAcpiPmPort, kAcpiPmPortCount}, "ACPI power management", self->acpi_pm_.get()));
  if (!config.no_rtc()) {
    self->rtc_ = std::make_unique<Rtc>(
        *host.clock, *host.loop, interrupts.Connect(kRtcIrq),
        RtcMemorySizes{.below_4g = layout.low_ram.size, .above_4g = layout.high_ram.size},
        [pm = self->acpi_pm_.get()] { pm->NotifyRtcAlarm(); });
    RETURN_IF_ERROR(ports.Insert({kRtcPort, kRtcPortCount}, "RTC", self->rtc_.get()));
  }
  // crosvm.md 1.2, row 35.
  self->has_fw_cfg_ =
      config.has_bios() || config.enable_fw_cfg() || config.fw_cfg_size() > 0 ||
      absl::c_any_of(config.block(), [](const BlockConfig& disk) { return disk.has_bootindex(); });
  return self;
}

absl::Status PlatformDevices::AddFwCfg(const RunConfig& config,
                                       std::vector<FwCfg::File> for_firmware, Bus& ports) {
  if (!has_fw_cfg_) return absl::OkStatus();
  ASSIGN_OR_RETURN(std::vector<FwCfg::File> files, ReadFwCfgFiles(config.fw_cfg()));
  if (files.size() + for_firmware.size() > FwCfg::kMostFiles) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--fw-cfg: ", files.size(), " files leave no room for those of --bios: at most ",
        FwCfg::kMostFiles - for_firmware.size(), " are accepted"));
  }
  const uint16_t processors =
      config.has_bios() ? static_cast<uint16_t>(config.cpus().num_cores()) : uint16_t{0};
  // The user's come first and replace ours.
  for (FwCfg::File& file : for_firmware) {
    const bool replaced =
        absl::c_any_of(files, [&](const FwCfg::File& given) { return given.name == file.name; });
    if (!replaced) files.push_back(std::move(file));
  }
  fw_cfg_ = std::make_unique<FwCfg>(std::move(files), processors);
  return ports.Insert({FwCfg::kPort, FwCfg::kPortCount}, "fw_cfg", fw_cfg_.get());
}

absl::Status PlatformDevices::AddFlash(const PflashConfig& config, uint64_t rom_size, Bus& mmio) {
  ASSIGN_OR_RETURN(flash_, Flash::Open(config.path(), config.block_size()));
  const uint64_t size = flash_->size();
  if (size > Flash::kLargest - rom_size) {
    return absl::InvalidArgumentError(
        absl::StrCat("--pflash: ", config.path(), " has ", size, " bytes: there is room for ",
                     Flash::kLargest - rom_size, " below 4 GiB and the ROM of --bios"));
  }
  return mmio.Insert({Raw(kFourGiB) - rom_size - size, size}, "flash", flash_.get());
}

absl::Status PlatformDevices::AddSerial(const SerialConfig& config, const MachineHost& host,
                                        Bus& ports, InterruptRouter& interrupts, bool attachable) {
  const bool debugcon = config.hardware() == SerialConfig::DEBUGCON;
  SerialPort& port = serial_.emplace_back();
  port.name = absl::StrCat(debugcon ? "debugcon " : "COM", config.num());
  ASSIGN_OR_RETURN(port.backend, OpenSerialBackend(config, *host.loop, *host.clock));
  SerialOutput* output = port.backend.output.get();
  SerialInput* input = port.backend.input.get();
  if (attachable) {
    port.hub = std::make_unique<ConsoleHub>(*host.loop, *host.clock, *output, *input, port.name);
    output = &port.hub->output();
    input = &port.hub->input();
  }
  consoles_.push_back({port.name, port.hub.get()});
  if (debugcon) {
    port.debugcon = std::make_unique<Debugcon>(*output);
    return ports.Insert({config.debugcon_port(), 1}, port.name, port.debugcon.get());
  }
  const SerialPortAddress& place = kSerialPorts[config.num() - 1];
  port.uart = std::make_unique<Serial>(*output, *input,
                                       interrupts.Connect(static_cast<uint32_t>(place.irq)));
  com_ports_.push_back({place.port, static_cast<uint8_t>(place.irq)});
  return ports.Insert({place.port, kSerialPortCount}, port.name, port.uart.get());
}

void PlatformDevices::Describe(AcpiConfig& acpi) const {
  acpi.com_ports = com_ports_;
  acpi.power.sci = kSciGsi;
  if (s2idle_) acpi.power.idle_port = kAcpiPmPort + kIdleOffset;
  if (rtc_ != nullptr) {
    acpi.rtc = AcpiRtc{.port = kRtcPort,
                       .irq = kRtcIrq,
                       .day_alarm = kRtcDayAlarm,
                       .month_alarm = kRtcMonthAlarm,
                       .century = kRtcCentury};
  }
  if (has_fw_cfg_) {
    const std::vector<uint8_t> node = FwCfgNode().bytes();
    acpi.system_bus_aml.insert(acpi.system_bus_aml.end(), node.begin(), node.end());
  }
}

std::vector<std::string> PlatformDevices::Names() const {
  std::vector<std::string> names;
  for (const SerialPort& port : serial_) names.push_back(port.name);
  if (i8042_ != nullptr) names.emplace_back("i8042");
  names.emplace_back("ACPI power management");
  if (rtc_ != nullptr) names.emplace_back("RTC");
  if (fw_cfg_ != nullptr) names.emplace_back("fw_cfg");
  if (flash_ != nullptr) names.emplace_back("flash");
  return names;
}

void PlatformDevices::Save(PlatformSaved& saved) {
  for (const SerialPort& port : serial_) {
    if (port.uart != nullptr) SaveTo(port.uart->Save(), *saved.add_serial());
  }
  SaveTo(acpi_pm_->Save(), *saved.mutable_acpi_power());
  if (rtc_ != nullptr) SaveTo(rtc_->Save(), *saved.mutable_rtc());
  if (fw_cfg_ != nullptr) SaveTo(fw_cfg_->Save(), *saved.mutable_fw_cfg());
  if (flash_ != nullptr) SaveTo(flash_->Save(), *saved.mutable_flash());
}

absl::Status PlatformDevices::Restore(const PlatformSaved& saved) {
  int next = 0;
  for (SerialPort& port : serial_) {
    if (port.uart == nullptr) continue;
    if (next >= saved.serial_size()) return absl::InvalidArgumentError(port.name + " has no state");
    RETURN_IF_ERROR(RestoreFrom(saved.serial(next++), port.name, *port.uart));
  }
  RETURN_IF_ERROR(RestoreFrom(saved.acpi_power(), "ACPI power management", *acpi_pm_));
  if (rtc_ != nullptr) RETURN_IF_ERROR(RestoreFrom(saved.rtc(), "RTC", *rtc_));
  if (fw_cfg_ != nullptr) RETURN_IF_ERROR(RestoreFrom(saved.fw_cfg(), "fw_cfg", *fw_cfg_));
  if (flash_ != nullptr) RETURN_IF_ERROR(RestoreFrom(saved.flash(), "flash", *flash_));
  return absl::OkStatus();
}

void PlatformDevices::FlushOutputs() {
  for (SerialPort& port : serial_) port.backend.output->Flush();
}

}  // namespace touchstone
