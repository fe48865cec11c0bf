// The PC's fixed devices on the port bus: serial ports, debug ports, keyboard controller, clock,
// ACPI power management and firmware configuration.

#ifndef TOUCHSTONE_VMM_MACHINE_PLATFORM_DEVICES_H_
#define TOUCHSTONE_VMM_MACHINE_PLATFORM_DEVICES_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "devices/bus/bus.h"
#include "devices/platform/acpi_pm/acpi_pm.h"
#include "devices/platform/debugcon/debugcon.h"
#include "devices/platform/flash/flash.h"
#include "devices/platform/fw_cfg/fw_cfg.h"
#include "devices/platform/i8042/i8042.h"
#include "devices/platform/rtc/rtc.h"
#include "devices/platform/serial/console_hub.h"
#include "devices/platform/serial/serial.h"
#include "devices/platform/serial/serial_backend.h"
#include "vmm/config/config.pb.h"
#include "vmm/machine/acpi/acpi_config.h"
#include "vmm/machine/boot/memory_layout.h"
#include "vmm/machine/interrupt_router.h"
#include "vmm/machine/lifecycle.h"
#include "vmm/machine/machine_host.h"
#include "vmm/machine/pause_gate.h"

namespace touchstone {

class PlatformSaved;  // platform_state.pb.h

// Thread-compatible; the devices inside are thread-safe.
class PlatformDevices {
 public:
  // Opens the serial back ends and puts the devices that `config` wants onto `ports`. All but
  // `config` are borrowed.
  static absl::StatusOr<std::unique_ptr<PlatformDevices>> Create(
      const RunConfig& config, const MachineHost& host, const MemoryLayout& layout, Bus& ports,
      InterruptRouter& interrupts, Lifecycle& lifecycle, PauseGate& pause);

  // Puts the firmware configuration device onto `ports`, when there is one: with the files of
  // `config`, which may replace what a firmware is told. REQUIRES: `ports` is Create's.
  absl::Status AddFwCfg(const RunConfig& config, std::vector<FwCfg::File> for_firmware, Bus& ports);

  // Puts the flash chip of --pflash onto `mmio`, directly below the ROM, or 4 GiB where there is
  // none. An error names --pflash, the file and the reason. REQUIRES: `mmio` outlives this.
  absl::Status AddFlash(const PflashConfig& config, uint64_t rom_size, Bus& mmio);

  // Fills in what the ACPI tables say of these devices.
  void Describe(AcpiConfig& acpi) const;

  // What there is, in a fixed order: "COM1", "RTC".
  [[nodiscard]] std::vector<std::string> Names() const;

  void Save(PlatformSaved& saved);
  // InvalidArgument names the device whose state it does not take.
  absl::Status Restore(const PlatformSaved& saved);

  [[nodiscard]] AcpiPm& acpi_pm() { return *acpi_pm_; }

  // The entries of --serial, in their order: those that are virtio devices too.
  struct Console {
    std::string name;           // "COM1", "virtio-console 1"
    ConsoleHub* hub = nullptr;  // Null: nobody can be attached.
  };
  [[nodiscard]] const std::vector<Console>& consoles() const { return consoles_; }
  // The index of the one that is the machine's console, if there are any.
  [[nodiscard]] size_t main_console() const { return main_console_; }

  // Writes out what serial ports and consoles hold back. For the end of a run.
  void FlushOutputs();

 private:
  // A port with its back end, which outlives it.
  struct SerialPort {
    std::string name;
    SerialBackend backend;
    std::unique_ptr<ConsoleHub> hub;  // Null without a control socket.
    std::unique_ptr<Serial> uart;
    std::unique_ptr<Debugcon> debugcon;
  };

  explicit PlatformDevices(bool s2idle) : s2idle_(s2idle) {}
  absl::Status AddSerial(const SerialConfig& config, const MachineHost& host, Bus& ports,
                         InterruptRouter& interrupts, bool attachable);

  const bool s2idle_;
  std::vector<SerialPort> serial_;
  std::vector<Console> consoles_;
  size_t main_console_ = 0;
  std::vector<AcpiComPort> com_ports_;
  std::unique_ptr<I8042> i8042_;
  std::unique_ptr<AcpiPm> acpi_pm_;
  std::unique_ptr<Rtc> rtc_;
  bool has_fw_cfg_ = false;
  std::unique_ptr<FwCfg> fw_cfg_;
  std::unique_ptr<Flash> flash_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_PLATFORM_DEVICES_H_
