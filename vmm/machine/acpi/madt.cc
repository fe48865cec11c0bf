#include "vmm/machine/acpi/madt.h"

#include <cstring>
#include <map>

#include "absl/strings/str_format.h"
#include "vmm/machine/acpi/sdt.h"

namespace touchstone {
namespace {

constexpr uint8_t kRevision = 5;  // ACPI 6.3 and 6.4
constexpr uint8_t kTimerIrq = 0;
constexpr uint32_t kIsaIrqCount = 16;

// What the table begins with, 5.2.12.
struct MadtBody {
  Le32 lapic_address;
  Le32 flags;
};
static_assert(sizeof(MadtBody) == 8);
constexpr uint32_t kPcatCompat = 1;  // there are two 8259s as well

// 5.2.12.2. APIC id 255 is the broadcast id, so processors from 255 on have the x2APIC structure.
struct LocalApic {
  uint8_t type = 0;
  uint8_t length = 8;
  uint8_t processor_uid = 0;
  uint8_t apic_id = 0;
  Le32 flags;
};
static_assert(sizeof(LocalApic) == 8);

// 5.2.12.12
struct LocalX2Apic {
  uint8_t type = 9;
  uint8_t length = 16;
  Le16 reserved;
  Le32 apic_id;
  Le32 flags;
  Le32 processor_uid;
};
static_assert(sizeof(LocalX2Apic) == 16);
constexpr uint32_t kEnabled = 1;

// 5.2.12.3
struct IoApic {
  uint8_t type = 1;
  uint8_t length = 12;
  uint8_t id = 0;
  uint8_t reserved = 0;
  Le32 address;
  Le32 gsi_base;
};
static_assert(sizeof(IoApic) == 12);

// 5.2.12.7
struct LocalApicNmi {
  uint8_t type = 4;
  uint8_t length = 6;
  uint8_t processor_uid = 0xFF;  // all of them
  Le16 flags;                    // conforms to the bus
  uint8_t lint = 1;
};
static_assert(sizeof(LocalApicNmi) == 6);

// 5.2.12.13
struct LocalX2ApicNmi {
  uint8_t type = 10;
  uint8_t length = 12;
  Le16 flags;
  Le32 processor_uid = uint32_t{0xFFFFFFFF};
  uint8_t lint = 1;
  uint8_t reserved[3] = {};
};
static_assert(sizeof(LocalX2ApicNmi) == 12);

constexpr uint32_t kLastLapicId = 254;
constexpr uint32_t kLastLapicUid = 254;

InterruptOverride MakeOverride(uint8_t source, uint32_t gsi, uint16_t flags) {
  InterruptOverride entry;
  entry.source = source;
  entry.gsi = gsi;
  entry.flags = flags;
  return entry;
}

// By ISA interrupt.
std::map<uint8_t, InterruptOverride> Overrides(const AcpiConfig& config,
                                               absl::Span<const InterruptOverride> overrides) {
  std::map<uint8_t, InterruptOverride> result;
  if (config.interrupts.timer_pin != kTimerIrq) {
    result[kTimerIrq] = MakeOverride(kTimerIrq, config.interrupts.timer_pin, kIntiConforming);
  }
  // The SCI is level triggered, active low and shareable (5.2.9, SCI_INT).
  result[config.power.sci] = MakeOverride(config.power.sci, config.power.sci, kIntiLevelLow);
  for (const AcpiPciRoute& route : config.pci.routes) {
    if (route.gsi >= kIsaIrqCount) continue;  // PCI's own convention holds: level, low
    const auto irq = static_cast<uint8_t>(route.gsi);
    result[irq] = MakeOverride(irq, route.gsi, kIntiLevelLow);
  }
  for (const InterruptOverride& entry : overrides) result[entry.source] = entry;
  return result;
}

}  // namespace

absl::StatusOr<std::vector<InterruptOverride>> ReadInterruptOverrides(
    absl::Span<const uint8_t> madt) {
  std::vector<InterruptOverride> overrides;
  size_t at = sizeof(SdtHeader) + sizeof(MadtBody);
  if (madt.size() < at) return absl::InvalidArgumentError("APIC is too short");
  while (at < madt.size()) {
    const absl::Span<const uint8_t> rest = madt.subspan(at);
    const size_t length = rest.size() >= 2 ? rest[1] : 0;
    if (length < 2 || length > rest.size()) {
      return absl::InvalidArgumentError(
          absl::StrFormat("APIC has a malformed entry at offset %d", at));
    }
    InterruptOverride entry;
    if (rest[0] == entry.type) {
      if (length != sizeof(entry)) {
        return absl::InvalidArgumentError(absl::StrFormat(
            "APIC has an interrupt source override of %d bytes at offset %d", length, at));
      }
      memcpy(&entry, rest.data(), sizeof(entry));
      overrides.push_back(entry);
    }
    at += length;
  }
  return overrides;
}

std::vector<uint8_t> BuildMadt(const AcpiConfig& config,
                               absl::Span<const InterruptOverride> overrides) {
  std::vector<uint8_t> body;
  AppendObject(body,
               MadtBody{.lapic_address = config.interrupts.lapic_address, .flags = kPcatCompat});

  bool any_x2apic = false;
  for (uint32_t uid = 0; uid < config.apic_ids.size(); ++uid) {
    const uint32_t apic_id = config.apic_ids[uid];
    if (apic_id <= kLastLapicId && uid <= kLastLapicUid) {
      LocalApic entry;
      entry.processor_uid = static_cast<uint8_t>(uid);
      entry.apic_id = static_cast<uint8_t>(apic_id);
      entry.flags = kEnabled;
      AppendObject(body, entry);
    } else {
      LocalX2Apic entry;
      entry.apic_id = apic_id;
      entry.flags = kEnabled;
      entry.processor_uid = uid;
      AppendObject(body, entry);
      any_x2apic = true;
    }
  }

  IoApic ioapic;
  ioapic.id = config.interrupts.ioapic_id;
  ioapic.address = config.interrupts.ioapic_address;
  AppendObject(body, ioapic);

  for (const auto& [source, entry] : Overrides(config, overrides)) AppendObject(body, entry);

  AppendObject(body, LocalApicNmi{});
  if (any_x2apic) AppendObject(body, LocalX2ApicNmi{});
  return BuildSdt("APIC", kRevision, body);
}

}  // namespace touchstone
