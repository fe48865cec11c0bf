// One virtual machine: memory slots, interrupt delivery, event descriptors.
//
// Thread-safe except where a method says otherwise.

#ifndef TOUCHSTONE_HYPERVISOR_VM_H_
#define TOUCHSTONE_HYPERVISOR_VM_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/event_fd.h"
#include "base/memory/guest_address.h"
#include "hypervisor/external_interrupts.h"
#include "hypervisor/vcpu.h"
#include "hypervisor/x86_64/state.h"

namespace touchstone {

// Host memory that the guest sees at `start`. `host` stays mapped until the slot is replaced or the
// VM is gone.
struct MemorySlot {
  GuestAddress start{};
  uint64_t size = 0;
  void* host = nullptr;
  bool read_only = false;
  bool log_dirty = false;
};

// Exits that a vCPU makes only when that was asked for.
enum class OptionalExit {
  kBusLock,     // BusLockExit
  kUnknownMsr,  // MsrExit
};

// A guest write that the hypervisor turns into a signal without an exit.
struct IoEvent {
  enum class Space { kPort, kMmio } space = Space::kMmio;
  uint64_t address = 0;
  // 1, 2, 4 or 8; 0 accepts any width.
  uint8_t size = 0;
  // When set, only a write of this value signals; the others exit as usual. Needs a size.
  std::optional<uint64_t> match;

  bool operator==(const IoEvent&) const = default;
};

// PCI Local Bus 3.0, 6.8.1: what a device writes where to interrupt.
struct MsiMessage {
  uint64_t address = 0;
  uint32_t data = 0;

  bool operator==(const MsiMessage&) const = default;
};

enum class IrqChip { kPicPrimary, kPicSecondary, kIoapic };

// What a global system interrupt (GSI) means. Several routes may share a GSI (a PIC pin and an
// IOAPIC pin).
struct IrqRoute {
  struct Pin {
    IrqChip chip;
    uint32_t pin;
    bool operator==(const Pin&) const = default;
  };
  uint32_t gsi = 0;
  std::variant<Pin, MsiMessage> target;

  bool operator==(const IrqRoute&) const = default;
};

class Vm {
 public:
  virtual ~Vm() = default;

  // Maps, replaces or (size 0) removes the slot with this number.
  virtual absl::Status SetMemory(uint32_t slot, const MemorySlot& memory) = 0;
  // The pages written since the last call (bit n of word n / 64), cleared. The slot was set with
  // log_dirty.
  virtual absl::StatusOr<std::vector<uint64_t>> TakeDirtyLog(uint32_t slot) = 0;

  // Creates PIC, IOAPIC, local APICs and the PIT in the hypervisor. Before the first vCPU; after
  // the memory slots that are known by then, because each slot set later waits for milliseconds.
  virtual absl::Status CreateIrqChip() = 0;
  // Instead, the local APICs alone. The routing table then has messages only. Of its routes, those
  // of the GSIs below `ioapic_pins` are the IOAPIC's: where one is level-triggered, the end of the
  // interrupt is an EndOfInterruptExit. The boot vCPU (SetBootCpu) takes what `external` has for it
  // when its LINT0 is ExtINT (SDM vol. 3, 10.5.1); borrowed for as long as the vCPUs. Unimplemented
  // when the hypervisor cannot do it.
  virtual absl::Status CreateSplitIrqChip(uint32_t ioapic_pins, ExternalInterrupts& external) = 0;

  // The id of the vCPU that runs at once, while the others wait for its messages; 0 at first.
  // Before the first vCPU.
  virtual absl::Status SetBootCpu(uint32_t id) = 0;

  // Has the vCPUs make this exit. Before the first vCPU. Unimplemented, saying what lacks, when
  // this host cannot.
  virtual absl::Status EnableExit(OptionalExit exit) = 0;

  // Creates the vCPU with this APIC id that finds these leaves with CPUID. Without leaves, only
  // what the first 64-bit processors had can be relied on.
  virtual absl::StatusOr<std::unique_ptr<Vcpu>> CreateVcpu(uint32_t id,
                                                           absl::Span<const CpuidEntry> cpuid) = 0;

  // Signals `event` on matching writes. The descriptor is duplicated.
  virtual absl::Status AddIoEvent(const IoEvent& io_event, const EventFd& event) = 0;
  virtual absl::Status RemoveIoEvent(const IoEvent& io_event, const EventFd& event) = 0;

  // Raises `gsi` when `trigger` is signalled: an edge, or with `resample` a level that is lowered
  // at end of interrupt, when `resample` is signalled so that the device can raise it again. It is
  // also signalled when the guest unmasks the pin. A split chip has no `resample`.
  virtual absl::Status AddIrqFd(uint32_t gsi, const EventFd& trigger, const EventFd* resample) = 0;
  virtual absl::Status RemoveIrqFd(uint32_t gsi, const EventFd& trigger) = 0;

  // Replaces the whole routing table.
  virtual absl::Status SetIrqRoutes(absl::Span<const IrqRoute> routes) = 0;
  // Sets the level of a GSI's input.
  virtual absl::Status SetIrqLine(uint32_t gsi, bool level) = 0;
  // Sends a message; false when no local APIC took it.
  virtual absl::StatusOr<bool> SignalMsi(const MsiMessage& message) = 0;

  // REQUIRES: no vCPU runs. For CreateIrqChip's controllers.
  virtual absl::StatusOr<IrqChipState> GetIrqChip() = 0;
  virtual absl::Status SetIrqChip(const IrqChipState& state) = 0;
  virtual absl::StatusOr<ClockState> GetClock() = 0;
  virtual absl::Status SetClock(const ClockState& state) = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_VM_H_
