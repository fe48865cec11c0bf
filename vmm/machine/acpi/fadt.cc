#include "vmm/machine/acpi/fadt.h"

#include <cstddef>

#include "absl/strings/str_format.h"
#include "base/bits.h"
#include "base/endian.h"
#include "base/log.h"
#include "vmm/machine/acpi/sdt.h"

namespace touchstone {
namespace {

constexpr uint8_t kMajorVersion = 6;
constexpr uint8_t kMinorVersion = 3;

// Generic address structure, 5.2.3.2.
struct GenericAddress {
  uint8_t space = 0;
  uint8_t bit_width = 0;
  uint8_t bit_offset = 0;
  uint8_t access_size = 0;
  Le64 address;
};
static_assert(sizeof(GenericAddress) == 12);

constexpr uint8_t kSystemIo = 1;
enum AccessSize : uint8_t { kByteAccess = 1, kWordAccess = 2, kDWordAccess = 3 };

// Table 5.33, after the header.
struct FadtBody {
  Le32 firmware_ctrl;
  Le32 dsdt;
  uint8_t reserved1 = 0;
  uint8_t preferred_pm_profile = 0;  // unspecified
  Le16 sci_int;
  Le32 smi_cmd;  // 0: no system management mode, always in ACPI mode
  uint8_t acpi_enable = 0;
  uint8_t acpi_disable = 0;
  uint8_t s4bios_req = 0;
  uint8_t pstate_cnt = 0;
  Le32 pm1a_evt_blk;
  Le32 pm1b_evt_blk;
  Le32 pm1a_cnt_blk;
  Le32 pm1b_cnt_blk;
  Le32 pm2_cnt_blk;
  Le32 pm_tmr_blk;
  Le32 gpe0_blk;
  Le32 gpe1_blk;
  uint8_t pm1_evt_len = 0;
  uint8_t pm1_cnt_len = 0;
  uint8_t pm2_cnt_len = 0;
  uint8_t pm_tmr_len = 0;
  uint8_t gpe0_blk_len = 0;
  uint8_t gpe1_blk_len = 0;
  uint8_t gpe1_base = 0;
  uint8_t cst_cnt = 0;
  Le16 p_lvl2_lat;
  Le16 p_lvl3_lat;
  Le16 flush_size;
  Le16 flush_stride;
  uint8_t duty_offset = 0;
  uint8_t duty_width = 0;
  uint8_t day_alrm = 0;
  uint8_t mon_alrm = 0;
  uint8_t century = 0;
  Le16 iapc_boot_arch;
  uint8_t reserved2 = 0;
  Le32 flags;
  GenericAddress reset_reg;
  uint8_t reset_value = 0;
  Le16 arm_boot_arch;
  uint8_t minor_version = kMinorVersion;
  Le64 x_firmware_ctrl;
  Le64 x_dsdt;
  GenericAddress x_pm1a_evt_blk;
  GenericAddress x_pm1b_evt_blk;
  GenericAddress x_pm1a_cnt_blk;
  GenericAddress x_pm1b_cnt_blk;
  GenericAddress x_pm2_cnt_blk;
  GenericAddress x_pm_tmr_blk;
  GenericAddress x_gpe0_blk;
  GenericAddress x_gpe1_blk;
  GenericAddress sleep_control_reg;
  GenericAddress sleep_status_reg;
  Le64 hypervisor_vendor_identity;
};
static_assert(sizeof(SdtHeader) + sizeof(FadtBody) == 276);

constexpr size_t kFirmwareCtrlOffset = sizeof(SdtHeader) + offsetof(FadtBody, firmware_ctrl);
constexpr size_t kDsdtOffset = sizeof(SdtHeader) + offsetof(FadtBody, dsdt);
constexpr size_t kXFirmwareCtrlOffset = sizeof(SdtHeader) + offsetof(FadtBody, x_firmware_ctrl);
constexpr size_t kXDsdtOffset = sizeof(SdtHeader) + offsetof(FadtBody, x_dsdt);
static_assert(kDsdtOffset == 40 && kXDsdtOffset == 140);

// Fixed feature flags, table 5.34.
constexpr uint32_t kWbinvd = Bit(0);
constexpr uint32_t kProcC1 = Bit(2);
// Bits 4 and 5 clear: power and sleep button are fixed hardware.
constexpr uint32_t kFixRtc = Bit(6);  // RTC wake status is not in the fixed registers
constexpr uint32_t kTimer32Bit = Bit(8);
constexpr uint32_t kResetRegSup = Bit(10);
constexpr uint32_t kLowPowerS0IdleCapable = Bit(21);

// IA-PC boot architecture flags, table 5.36. Bit 1 clear: the keyboard controller is not there for
// keyboards (ours only resets), and a guest that probes it waits up to a second. Bit 3 clear: MSI
// is welcome.
constexpr uint16_t kLegacyDevices = Bit<uint16_t>(0);
constexpr uint16_t kVgaNotPresent = Bit<uint16_t>(2);
constexpr uint16_t kCmosRtcNotPresent = Bit<uint16_t>(5);

// 5.2.9: worse than 100 and 1000 microseconds say that C2 and C3 are not supported.
constexpr uint16_t kNoC2 = 0x0FFF;
constexpr uint16_t kNoC3 = 0x0FFF;

constexpr uint8_t kPm1EventLength = 4;
constexpr uint8_t kPm1ControlLength = 2;
constexpr uint8_t kTimerLength = 4;

GenericAddress Port(uint16_t port, uint8_t bytes, AccessSize access) {
  return {.space = kSystemIo,
          .bit_width = static_cast<uint8_t>(bytes * 8),
          .bit_offset = 0,
          .access_size = access,
          .address = uint64_t{port}};
}

void SetPowerManagement(const AcpiPowerManagement& power, FadtBody& fadt) {
  fadt.sci_int = uint16_t{power.sci};
  fadt.pm1a_evt_blk = uint32_t{power.pm1_event_port};
  fadt.pm1_evt_len = kPm1EventLength;
  fadt.x_pm1a_evt_blk = Port(power.pm1_event_port, kPm1EventLength, kWordAccess);
  fadt.pm1a_cnt_blk = uint32_t{power.pm1_control_port};
  fadt.pm1_cnt_len = kPm1ControlLength;
  fadt.x_pm1a_cnt_blk = Port(power.pm1_control_port, kPm1ControlLength, kWordAccess);
  if (power.timer_port.has_value()) {
    fadt.pm_tmr_blk = uint32_t{*power.timer_port};
    fadt.pm_tmr_len = kTimerLength;
    fadt.x_pm_tmr_blk = Port(*power.timer_port, kTimerLength, kDWordAccess);
  }
  if (power.gpe0_length > 0) {
    fadt.gpe0_blk = uint32_t{power.gpe0_port};
    fadt.gpe0_blk_len = power.gpe0_length;
    // A block of 32 bytes and more does not fit the bit width of a generic address, so X_GPE0_BLK
    // stays 0 then and GPE0_BLK holds (5.2.9).
    if (power.gpe0_length < 32) {
      fadt.x_gpe0_blk = Port(power.gpe0_port, power.gpe0_length, kByteAccess);
    }
  }
}

}  // namespace

std::vector<uint8_t> BuildFadt(const AcpiConfig& config) {
  FadtBody fadt;
  SetPowerManagement(config.power, fadt);
  fadt.p_lvl2_lat = kNoC2;
  fadt.p_lvl3_lat = kNoC3;

  uint16_t boot = kVgaNotPresent;
  if (!config.com_ports.empty()) boot |= kLegacyDevices;
  uint32_t flags = kWbinvd | kProcC1 | kResetRegSup;
  if (config.rtc.has_value()) {
    fadt.day_alrm = config.rtc->day_alarm;
    fadt.mon_alrm = config.rtc->month_alarm;
    fadt.century = config.rtc->century;
  } else {
    boot |= kCmosRtcNotPresent;
    flags |= kFixRtc;
  }
  if (config.power.timer_is_32_bit) flags |= kTimer32Bit;
  if (config.power.idle_port.has_value()) flags |= kLowPowerS0IdleCapable;
  fadt.iapc_boot_arch = boot;
  fadt.flags = flags;

  fadt.reset_reg = Port(config.reset.port, 1, kByteAccess);
  fadt.reset_value = config.reset.value;

  std::vector<uint8_t> body;
  AppendObject(body, fadt);
  return BuildSdt("FACP", kMajorVersion, body);
}

absl::Status PointFadt(absl::Span<uint8_t> fadt, GuestAddress facs, GuestAddress dsdt) {
  CHECK(Raw(facs) <= UINT32_MAX && Raw(dsdt) <= UINT32_MAX);
  if (fadt.size() < kDsdtOffset + sizeof(Le32)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("FACP of %d bytes has no room for the address of the DSDT", fadt.size()));
  }
  StoreLe(Raw(facs), fadt.subspan(kFirmwareCtrlOffset, sizeof(Le32)));
  StoreLe(Raw(dsdt), fadt.subspan(kDsdtOffset, sizeof(Le32)));
  // 5.2.9: a non-zero X_FIRMWARE_CTRL takes precedence, and one of the two is to be 0. X_DSDT is
  // what current guests read; older ones read DSDT.
  if (fadt.size() >= kXFirmwareCtrlOffset + sizeof(Le64)) {
    StoreLe(0, fadt.subspan(kXFirmwareCtrlOffset, sizeof(Le64)));
  }
  if (fadt.size() >= kXDsdtOffset + sizeof(Le64)) {
    StoreLe(Raw(dsdt), fadt.subspan(kXDsdtOffset, sizeof(Le64)));
  }
  FinishSdt(fadt);
  return absl::OkStatus();
}

}  // namespace touchstone
