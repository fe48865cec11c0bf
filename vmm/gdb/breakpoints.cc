#include "vmm/gdb/breakpoints.h"

#include <algorithm>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "vmm/gdb/virtual_memory.h"

namespace touchstone {
namespace {

void Poke(const GuestMemory& memory, GuestAddress place, uint8_t byte) {
  if (absl::Status status = memory.Write(place, {&byte, 1}); !status.ok()) {
    LOG(kWarning, "gdb", "breakpoint at 0x%x: %s", Raw(place), std::string(status.message()));
  }
}

}  // namespace

std::optional<DebugControl::Breakpoint>* GdbBreakpoints::FreeRegister() {
  const auto free = std::find(registers_.begin(), registers_.end(), std::nullopt);
  return free == registers_.end() ? nullptr : &*free;
}

bool GdbBreakpoints::Plant(uint64_t address, const SpecialRegisters& registers,
                           Software& breakpoint) const {
  const std::optional<GuestPhysical> place = TranslateVirtual(memory_, registers, address);
  if (!place.has_value()) return false;
  const absl::StatusOr<uint8_t> original = memory_.ReadObject<uint8_t>(place->address);
  if (!original.ok()) return false;
  breakpoint = {place->address, *original};
  Poke(memory_, place->address, kInt3);
  return true;
}

absl::Status GdbBreakpoints::InsertSoftware(uint64_t address, const SpecialRegisters& registers) {
  if (software_.find(address) != software_.end()) return absl::OkStatus();
  Software breakpoint;
  if (std::optional<DebugControl::Breakpoint>* const free = FreeRegister(); free != nullptr) {
    *free = {.address = address};
  } else if (!Plant(address, registers, breakpoint)) {
    return absl::ResourceExhaustedError("no breakpoint register is free, and no memory is there");
  }
  software_[address] = breakpoint;
  return absl::OkStatus();
}

absl::Status GdbBreakpoints::InsertHardware(Kind kind, uint64_t address, uint64_t size,
                                            const SpecialRegisters& registers) {
  const bool execute = kind == Kind::kExecute;
  // SDM vol. 3, 17.2.5: a datum of 1, 2, 4 or 8 bytes, aligned.
  const bool size_exists = size == 1 || size == 2 || size == 4 || size == 8;
  if (!execute && (!size_exists || address % size != 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("no register watches ", size, " bytes at 0x", absl::Hex(address)));
  }
  const DebugControl::Breakpoint wanted = {
      .address = address, .kind = kind, .size = execute ? uint8_t{1} : static_cast<uint8_t>(size)};
  if (std::find(registers_.begin(), registers_.end(), wanted) != registers_.end()) {
    return absl::OkStatus();
  }
  if (std::optional<DebugControl::Breakpoint>* const free = FreeRegister(); free != nullptr) {
    *free = wanted;
    return absl::OkStatus();
  }
  // A software breakpoint can do without.
  for (auto& [software_address, breakpoint] : software_) {
    if (breakpoint.place.has_value() || !Plant(software_address, registers, breakpoint)) continue;
    const DebugControl::Breakpoint by_register = {.address = software_address};
    *std::find(registers_.begin(), registers_.end(), by_register) = wanted;
    return absl::OkStatus();
  }
  return absl::ResourceExhaustedError("all four breakpoint registers are taken");
}

absl::Status GdbBreakpoints::RemoveSoftware(uint64_t address) {
  const auto found = software_.find(address);
  if (found == software_.end()) return absl::NotFoundError("no such breakpoint");
  const Software breakpoint = found->second;
  software_.erase(found);
  if (!breakpoint.place.has_value()) return RemoveHardware(Kind::kExecute, address, 1);
  Remove(breakpoint);
  return absl::OkStatus();
}

absl::Status GdbBreakpoints::RemoveHardware(Kind kind, uint64_t address, uint64_t size) {
  for (std::optional<DebugControl::Breakpoint>& entry : registers_) {
    if (!entry.has_value() || entry->kind != kind || entry->address != address) continue;
    if (kind != Kind::kExecute && entry->size != size) continue;
    entry.reset();
    return absl::OkStatus();
  }
  return absl::NotFoundError("no such breakpoint");
}

void GdbBreakpoints::RemoveAll() {
  for (const auto& [address, breakpoint] : software_) Remove(breakpoint);
  software_.clear();
  registers_ = {};
}

// The guest may have written other code there since: that stays.
void GdbBreakpoints::Remove(const Software& breakpoint) const {
  if (!breakpoint.place.has_value()) return;
  const absl::StatusOr<uint8_t> now = memory_.ReadObject<uint8_t>(*breakpoint.place);
  if (now.ok() && *now == kInt3) Poke(memory_, *breakpoint.place, breakpoint.original);
}

std::vector<uint64_t> GdbBreakpoints::software() const {
  std::vector<uint64_t> addresses;
  for (const auto& [address, breakpoint] : software_) {
    if (breakpoint.place.has_value()) addresses.push_back(address);
  }
  return addresses;
}

void GdbBreakpoints::Hide(uint64_t address, absl::Span<uint8_t> data) const {
  for (auto it = software_.lower_bound(address);
       it != software_.end() && it->first - address < data.size(); ++it) {
    uint8_t& byte = data[it->first - address];
    if (it->second.place.has_value() && byte == kInt3) byte = it->second.original;
  }
}

void GdbBreakpoints::Rewrite(uint64_t address, absl::Span<const uint8_t> data) {
  for (auto it = software_.lower_bound(address);
       it != software_.end() && it->first - address < data.size(); ++it) {
    if (!it->second.place.has_value()) continue;
    it->second.original = data[it->first - address];
    Poke(memory_, *it->second.place, kInt3);
  }
}

}  // namespace touchstone
