#include "devices/pci/pci_root.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/endian.h"
#include "base/log.h"
#include "base/status.h"
#include "devices/pci/pci_function_state.pb.h"
#include "devices/pci/pci_registers.h"

namespace touchstone {
namespace {

constexpr uint32_t kConfigSize = 4096;

// BARs are kept a page apart: a hypervisor or a guest may map one alone.
constexpr uint64_t kMinMemoryAlignment = 4096;

// Intel's 82441FX, the i440FX's.
PciIdentity HostBridge(const PciRootConfig& config) {
  return {.vendor = 0x8086,
          .device = 0x1237,
          .class_code = 0x060000,
          .subsystem_vendor = config.bridge_subsystem_vendor,
          .subsystem = config.bridge_subsystem};
}

constexpr uint32_t BarOffset(int index) { return kPciBar0 + 4 * static_cast<uint32_t>(index); }

template <typename T>
T ReadRegister(PciFunction& function, uint32_t offset) {
  uint8_t data[sizeof(T)];
  std::fill(std::begin(data), std::end(data), 0xFF);
  function.ReadConfig(offset, absl::MakeSpan(data));
  return static_cast<T>(LoadLe(data));
}

template <typename T>
void WriteRegister(PciFunction& function, uint32_t offset, T value) {
  uint8_t data[sizeof(T)];
  StoreLe(value, absl::MakeSpan(data));
  function.WriteConfig(offset, data);
}

uint64_t ReadBar(PciFunction& function, const PciBar& bar) {
  const uint32_t low = ReadRegister<uint32_t>(function, BarOffset(bar.index));
  if (bar.kind == PciBarKind::kIo) return low & ~kPciBarIoMask;
  uint64_t address = low & ~kPciBarMemoryMask;
  if (bar.kind == PciBarKind::kMemory64) {
    address |= uint64_t{ReadRegister<uint32_t>(function, BarOffset(bar.index + 1))} << 32;
  }
  return address;
}

uint16_t DecodeBit(const PciBar& bar) {
  return bar.kind == PciBarKind::kIo ? kPciCommandIo : kPciCommandMemory;
}

// Registers whose value decides where BARs are decoded.
bool TouchesDecoding(uint32_t offset, size_t size) {
  const auto touches = [&](uint32_t first, uint32_t end) {
    return offset < end && offset + size > first;
  };
  return touches(kPciCommand, kPciCommand + 2) || touches(kPciBar0, BarOffset(kPciMaxBars));
}

std::string BarName(const PciFunction& function, const PciBar& bar) {
  return absl::StrCat(function.name(), " BAR", bar.index);
}

// The part of a configuration access that starts at `at`, a byte of the whole bus's space, and
// stays in one dword. Registers behind the last one of a function are those of the next.
struct Piece {
  size_t devfn;
  uint32_t offset;
  size_t size;
};

constexpr uint64_t kBusConfigSize = uint64_t{256} * kConfigSize;

Piece PieceAt(uint64_t at, size_t size) {
  return {static_cast<size_t>(at / kConfigSize), static_cast<uint32_t>(at % kConfigSize),
          std::min<size_t>(size, 4 - at % 4)};
}

}  // namespace

PciRoot::PciRoot(PciRootConfig config)
    : ports_(*config.ports),
      mmio_(*config.mmio),
      intx_lines_(std::move(config.intx)),
      host_bridge_("host bridge", HostBridge(config)),
      io_(std::move(config.io_windows)),
      low_(std::move(config.low_windows)),
      high_(std::move(config.high_windows)) {
  for (const PciIntxLine& line : intx_lines_) shared_lines_.emplace_back(*line.line);
  MutexLock lock(mutex_);
  slots_[0].function = &host_bridge_;
}

PciRoot::~PciRoot() {
  MutexLock lock(mutex_);
  for (Slot& slot : slots_) {
    for (Bar& bar : slot.bars) {
      if (bar.decoded_at) BusOf(bar.spec.bar).Remove(*bar.decoded_at).IgnoreError();
    }
  }
}

absl::StatusOr<PciAddress> PciRoot::PickAddress(const PciFunction& function,
                                                std::optional<PciAddress> wanted) const {
  if (wanted) {
    if (wanted->domain != 0 || wanted->bus != 0 || wanted->device > 31 || wanted->function > 7) {
      return absl::InvalidArgumentError(absl::StrCat("pci: ", wanted->ToString(), " for ",
                                                     function.name(), ": there is only bus 00"));
    }
    const PciFunction* holder = slots_[wanted->devfn()].function;
    if (holder == nullptr) return *wanted;
    return absl::AlreadyExistsError(absl::StrCat("pci: ", wanted->ToString(), " for ",
                                                 function.name(), " is taken by ", holder->name()));
  }
  for (uint8_t device = 1; device < 32; ++device) {
    const auto first = slots_.begin() + ptrdiff_t{device} * 8;
    if (std::all_of(first, first + 8, [](const Slot& slot) { return slot.function == nullptr; })) {
      return PciAddress{.device = device};
    }
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("pci: no free device number for ", function.name()));
}

absl::StatusOr<uint64_t> PciRoot::AllocateBar(const PciFunction& function, const PciBar& bar) {
  std::optional<uint64_t> start;
  if (bar.kind == PciBarKind::kIo) {
    start = io_.Allocate(bar.size, bar.size);
  } else {
    const uint64_t alignment = std::max(bar.size, kMinMemoryAlignment);
    if (bar.kind == PciBarKind::kMemory64) start = high_.Allocate(alignment, alignment);
    if (!start) start = low_.Allocate(alignment, alignment);
  }
  if (start) return *start;
  return absl::ResourceExhaustedError(absl::StrCat("pci: no address space for the ", bar.size,
                                                   " bytes of ", BarName(function, bar)));
}

absl::StatusOr<PciAddress> PciRoot::Add(PciFunction& function, std::optional<PciAddress> wanted) {
  MutexLock lock(mutex_);
  ASSIGN_OR_RETURN(const PciAddress address, PickAddress(function, wanted));
  Slot slot{&function, {}};
  uint16_t command = 0;
  for (const PciFunctionBar& spec : function.bars()) {
    ASSIGN_OR_RETURN(const uint64_t start, AllocateBar(function, spec.bar));
    const uint32_t offset = BarOffset(spec.bar.index);
    WriteRegister(function, offset, static_cast<uint32_t>(start));
    if (spec.bar.kind == PciBarKind::kMemory64) {
      WriteRegister(function, offset + 4, static_cast<uint32_t>(start >> 32));
    }
    command |= DecodeBit(spec.bar);
    slot.bars.push_back({spec, std::nullopt, false});
  }
  WriteRegister(function, kPciCommand, command);
  SyncSlot(slot);
  for (Bar& bar : slot.bars) {
    if (bar.decoded_at) continue;
    absl::Status error = absl::ResourceExhaustedError(
        absl::StrCat("pci: cannot map ", BarName(function, bar.spec.bar),
                     ": its place is taken or the bus is full"));
    for (Bar& other : slot.bars) {
      Unmap(slot, other);
      waiting_ -= other.waiting ? 1 : 0;
    }
    return error;
  }
  slots_[address.devfn()] = std::move(slot);
  AssignIntx(function, address);
  ++added_;
  return address;
}

// The pin follows the function number. The first pairs of device and pin get a line each, later
// ones share them by the order in which the functions came.
void PciRoot::AssignIntx(PciFunction& function, PciAddress address) {
  if (intx_lines_.empty() || !function.wants_intx()) return;
  const uint8_t pin = static_cast<uint8_t>(address.function % 4 + 1);
  const auto known =
      std::find_if(intx_routes_.begin(), intx_routes_.end(), [&](const PciIntxRoute& route) {
        return route.device == address.device && route.pin == pin;
      });
  size_t index =
      intx_routes_.size() < intx_lines_.size() ? intx_routes_.size() : added_ % intx_lines_.size();
  if (known != intx_routes_.end()) {
    const auto line =
        std::find_if(intx_lines_.begin(), intx_lines_.end(),
                     [&](const PciIntxLine& candidate) { return candidate.gsi == known->gsi; });
    index = static_cast<size_t>(line - intx_lines_.begin());
  } else {
    intx_routes_.push_back({address.device, pin, intx_lines_[index].gsi});
  }
  const uint32_t gsi = intx_lines_[index].gsi;
  SharedIrqLine& shared = *std::next(shared_lines_.begin(), static_cast<ptrdiff_t>(index));
  function.ConnectIntx({pin, gsi, &shared.AddInput()});
  WriteRegister(function, kPciInterruptLine, static_cast<uint8_t>(gsi));
}

void PciRoot::ReadConfig(PciAddress address, uint32_t offset, absl::Span<uint8_t> data) {
  std::fill(data.begin(), data.end(), 0xFF);
  if (address.domain != 0 || address.bus != 0) return;
  uint64_t at = uint64_t{address.devfn()} * kConfigSize + offset;
  MutexLock lock(mutex_);
  while (!data.empty() && at < kBusConfigSize) {
    const Piece piece = PieceAt(at, data.size());
    ReadPiece(piece.devfn, piece.offset, data.subspan(0, piece.size));
    data.remove_prefix(piece.size);
    at += piece.size;
  }
}

void PciRoot::ReadPiece(size_t devfn, uint32_t offset, absl::Span<uint8_t> data) {
  PciFunction* function = slots_[devfn].function;
  if (function == nullptr) return;
  function->ReadConfig(offset, data);
  // PCI Local Bus 3.0, 6.2.1: function 0 says whether there are others.
  if (devfn % 8 != 0 || offset > kPciHeaderType || offset + data.size() <= kPciHeaderType) return;
  const auto next = slots_.begin() + static_cast<ptrdiff_t>(devfn) + 1;
  if (std::any_of(next, next + 7, [](const Slot& slot) { return slot.function != nullptr; })) {
    data[kPciHeaderType - offset] |= kPciHeaderMultiFunction;
  }
}

void PciRoot::WriteConfig(PciAddress address, uint32_t offset, absl::Span<const uint8_t> data) {
  if (address.domain != 0 || address.bus != 0) return;
  uint64_t at = uint64_t{address.devfn()} * kConfigSize + offset;
  MutexLock lock(mutex_);
  while (!data.empty() && at < kBusConfigSize) {
    const Piece piece = PieceAt(at, data.size());
    Slot& slot = slots_[piece.devfn];
    if (slot.function != nullptr) {
      slot.function->WriteConfig(piece.offset, data.subspan(0, piece.size));
      if (TouchesDecoding(piece.offset, piece.size)) SyncSlot(slot);
    }
    data.remove_prefix(piece.size);
    at += piece.size;
  }
}

Bus& PciRoot::BusOf(const PciBar& bar) const {
  return bar.kind == PciBarKind::kIo ? ports_ : mmio_;
}

bool PciRoot::MayDecode(const PciBar& bar, uint64_t address) const {
  const AddressRange range{address, bar.size};
  if (bar.kind == PciBarKind::kIo) return io_.Contains(range);
  return low_.Contains(range) || high_.Contains(range);
}

void PciRoot::SyncSlot(Slot& slot) {
  const uint16_t command = ReadRegister<uint16_t>(*slot.function, kPciCommand);
  for (Bar& bar : slot.bars) SyncBar(slot, bar, command);
  RetryWaiting();
}

// Brings one BAR to where its registers say. It ends there or undecoded: never at its old place,
// never at two.
void PciRoot::SyncBar(Slot& slot, Bar& bar, uint16_t command) {
  const PciBar& spec = bar.spec.bar;
  std::optional<uint64_t> target;
  if ((command & DecodeBit(spec)) != 0) {
    const uint64_t address = ReadBar(*slot.function, spec);
    if (MayDecode(spec, address)) target = address;
  }
  if (bar.waiting) {
    bar.waiting = false;
    --waiting_;
  }
  if (bar.decoded_at == target) return;
  if (!target) return Unmap(slot, bar);

  Bus& bus = BusOf(spec);
  BusDevice* device = bar.spec.device != nullptr ? bar.spec.device : &nothing_;
  const absl::Status status =
      bar.decoded_at ? bus.Move(*bar.decoded_at, *target)
                     : bus.Insert({*target, spec.size}, BarName(*slot.function, spec), device);
  if (!status.ok()) {
    LOG(kDebug, "pci", "%s", std::string(status.message()));
    Unmap(slot, bar);
    bar.waiting = true;
    ++waiting_;
    return;
  }
  released_ |= bar.decoded_at.has_value();
  bar.decoded_at = target;
  slot.function->BarMoved(spec.index, target);
}

void PciRoot::Unmap(Slot& slot, Bar& bar) {
  if (!bar.decoded_at) return;
  CHECK(BusOf(bar.spec.bar).Remove(*bar.decoded_at).ok());
  bar.decoded_at.reset();
  released_ = true;
  slot.function->BarMoved(bar.spec.bar.index, std::nullopt);
}

// A guest that swaps BARs writes one onto the other first: the first is decoded when the other has
// left. One pass is enough, since it only takes places.
void PciRoot::RetryWaiting() {
  if (!std::exchange(released_, false) || waiting_ == 0) return;
  for (Slot& slot : slots_) {
    if (std::none_of(slot.bars.begin(), slot.bars.end(),
                     [](const Bar& bar) { return bar.waiting; })) {
      continue;
    }
    const uint16_t command = ReadRegister<uint16_t>(*slot.function, kPciCommand);
    for (Bar& bar : slot.bars) {
      if (bar.waiting) SyncBar(slot, bar, command);
    }
  }
}

std::vector<PciIntxRoute> PciRoot::intx_routes() const {
  MutexLock lock(mutex_);
  std::vector<PciIntxRoute> routes = intx_routes_;
  std::sort(routes.begin(), routes.end(), [](const PciIntxRoute& a, const PciIntxRoute& b) {
    return std::pair(a.device, a.pin) < std::pair(b.device, b.pin);
  });
  return routes;
}

std::vector<PciAddress> PciRoot::functions() const {
  MutexLock lock(mutex_);
  std::vector<PciAddress> addresses;
  for (size_t devfn = 0; devfn < slots_.size(); ++devfn) {
    if (slots_[devfn].function == nullptr) continue;
    addresses.push_back(
        {.device = static_cast<uint8_t>(devfn >> 3), .function = static_cast<uint8_t>(devfn & 7)});
  }
  return addresses;
}

absl::string_view PciRoot::NameOf(PciAddress address) const {
  if (address.domain != 0 || address.bus != 0) return {};
  MutexLock lock(mutex_);
  const PciFunction* const function = slots_[address.devfn()].function;
  return function == nullptr ? absl::string_view() : function->name();
}

const PciFunction* PciRoot::FunctionAt(PciAddress address) const {
  if (address.domain != 0 || address.bus != 0) return nullptr;
  MutexLock lock(mutex_);
  return slots_[address.devfn()].function;
}

absl::StatusOr<std::vector<PciFunctionState>> PciRoot::Save() {
  MutexLock lock(mutex_);
  std::vector<PciFunctionState> states;
  for (Slot& slot : slots_) {
    if (slot.function == nullptr) continue;
    absl::StatusOr<PciFunctionState> state = slot.function->Save();
    if (!state.ok()) return Annotate(state.status(), slot.function->name());
    states.push_back(*std::move(state));
  }
  return states;
}

absl::Status PciRoot::Restore(absl::Span<const PciFunctionState* const> states) {
  MutexLock lock(mutex_);
  const auto is_there = [](const Slot& slot) { return slot.function != nullptr; };
  const auto count = std::count_if(slots_.begin(), slots_.end(), is_there);
  if (static_cast<size_t>(count) != states.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(states.size(), " states for ", count, " PCI functions"));
  }
  auto state = states.begin();
  for (Slot& slot : slots_) {
    if (slot.function == nullptr) continue;
    RETURN_IF_ERROR(Annotate(slot.function->Restore(**state++), slot.function->name()));
  }
  for (Slot& slot : slots_) {
    if (slot.function != nullptr) SyncSlot(slot);
  }
  return absl::OkStatus();
}

std::optional<uint64_t> PciRoot::DecodedAt(PciAddress address, int bar) const {
  if (address.domain != 0 || address.bus != 0) return std::nullopt;
  MutexLock lock(mutex_);
  for (const Bar& candidate : slots_[address.devfn()].bars) {
    if (candidate.spec.bar.index == bar) return candidate.decoded_at;
  }
  return std::nullopt;
}

}  // namespace touchstone
