// Bus 0 of the machine: finds functions, gives them addresses and interrupts, and keeps the port
// and memory buses in step with their BARs.
//
//   PciRoot root({.ports = &ports, .mmio = &mmio,
//                 .io_windows = {{0xC000, 0x4000}},
//                 .low_windows = {{0xD000'0000, 0x2400'0000}},
//                 .high_windows = {{0x40'0000'0000, 0x40'0000'0000}},
//                 .intx = {{9, gsi9}, {10, gsi10}, {11, gsi11}, {12, gsi12}}});
//   ASSIGN_OR_RETURN(const PciAddress address, root.Add(pvpanic));
//   PciCam cam(root, ...); PciEcam ecam(root, size);  // The guest's ways in.
//
// Add plays the firmware: it writes BAR addresses, the interrupt line and the decode bits of the
// command register, so a guest that reassigns nothing finds working devices. What a guest writes to
// these registers later takes effect on the buses at once. A BAR is decoded only inside one of the
// windows, which is what keeps it off RAM, and only where nothing else is; anywhere else it is not
// decoded at all until its registers change or the place becomes free (it answers as an unclaimed
// address does). The host bridge, 8086:1237, sits at 00:00.0.
//
// Ownership: buses, lines and functions are borrowed. Buses and lines must outlive the root, which
// takes its BARs off the buses when it goes; functions must outlive the last access.
//
// Threads: thread-safe; one lock serialises configuration accesses and is held around every call of
// a PciFunction. BAR accesses go through the buses and never take it.

#ifndef TOUCHSTONE_DEVICES_PCI_PCI_ROOT_H_
#define TOUCHSTONE_DEVICES_PCI_PCI_ROOT_H_

#include <array>
#include <cstdint>
#include <list>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "devices/bus/address_range.h"
#include "devices/bus/bus.h"
#include "devices/irq/irq_line.h"
#include "devices/irq/shared_irq_line.h"
#include "devices/pci/pci_address.h"
#include "devices/pci/pci_function.h"
#include "devices/pci/range_allocator.h"
#include "devices/pci/stub_function.h"

namespace touchstone {

// An interrupt input that PCI devices may share; level-triggered.
struct PciIntxLine {
  uint32_t gsi = 0;
  IrqLine* line = nullptr;
};

// Where an interrupt pin goes, as ACPI's _PRT and the MP table want it.
struct PciIntxRoute {
  uint8_t device = 0;
  uint8_t pin = 0;  // INTA is 1, INTD is 4.
  uint32_t gsi = 0;

  friend bool operator==(const PciIntxRoute&, const PciIntxRoute&) = default;
};

struct PciRootConfig {
  Bus* ports = nullptr;
  Bus* mmio = nullptr;
  std::vector<AddressRange> io_windows;
  std::vector<AddressRange> low_windows;   // Below 4 GiB, for every memory BAR.
  std::vector<AddressRange> high_windows;  // Preferred for 64-bit BARs.
  std::vector<PciIntxLine> intx;           // Without any, no function gets a legacy interrupt.
  uint16_t bridge_subsystem_vendor = 0;    // Of the host bridge: what machine it is part of.
  uint16_t bridge_subsystem = 0;
};

class PciRoot {
 public:
  // The buses below the host bridge: bus 0 alone.
  static constexpr uint32_t kBusCount = 1;

  explicit PciRoot(PciRootConfig config);
  ~PciRoot();
  PciRoot(const PciRoot&) = delete;
  PciRoot& operator=(const PciRoot&) = delete;

  // Puts `function` at `address`, or at function 0 of the next free device, and returns where.
  // InvalidArgument for an address outside bus 0 of domain 0, AlreadyExists for a taken one,
  // ResourceExhausted without a free device or room for a BAR; nothing has changed then, but for
  // address space that is not given out again.
  absl::StatusOr<PciAddress> Add(PciFunction& function,
                                 std::optional<PciAddress> address = std::nullopt);

  // Configuration accesses of any size; registers beyond 4095 continue in the next function, and
  // functions that do not exist read ones (PCI Local Bus 3.0, 6.1).
  void ReadConfig(PciAddress address, uint32_t offset, absl::Span<uint8_t> data);
  void WriteConfig(PciAddress address, uint32_t offset, absl::Span<const uint8_t> data);

  // The pins that functions were given, by device, then pin.
  [[nodiscard]] std::vector<PciIntxRoute> intx_routes() const;

  // The functions there are, by address, the host bridge first.
  [[nodiscard]] std::vector<PciAddress> functions() const;

  // What the function there calls itself; empty where there is none.
  [[nodiscard]] absl::string_view NameOf(PciAddress address) const;

  // Null when there is none.
  [[nodiscard]] const PciFunction* FunctionAt(PciAddress address) const;

  // The state of each function, in the order of functions(). Errors name the function. REQUIRES:
  // the guest does nothing meanwhile.
  absl::StatusOr<std::vector<PciFunctionState>> Save();
  // Gives each function its state, then brings the BARs to where their registers say.
  // InvalidArgument where the number of states differs. REQUIRES: as Save; functions are as after
  // power-on.
  absl::Status Restore(absl::Span<const PciFunctionState* const> states);

  // Where a BAR is decoded now, if it is.
  [[nodiscard]] std::optional<uint64_t> DecodedAt(PciAddress address, int bar) const;

 private:
  static constexpr size_t kFunctions = 256;  // Of one bus.

  struct Bar {
    PciFunctionBar spec;
    std::optional<uint64_t> decoded_at;
    bool waiting = false;  // Should be decoded, but the place is taken.
  };
  struct Slot {
    PciFunction* function = nullptr;
    std::vector<Bar> bars;
  };

  // What answers for a BAR without a device.
  class Nothing final : public BusDevice {
   public:
    void Read(uint64_t, absl::Span<uint8_t>) override {}
    void Write(uint64_t, absl::Span<const uint8_t>) override {}
  };

  absl::StatusOr<PciAddress> PickAddress(const PciFunction& function,
                                         std::optional<PciAddress> wanted) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<uint64_t> AllocateBar(const PciFunction& function, const PciBar& bar)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AssignIntx(PciFunction& function, PciAddress address) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void ReadPiece(size_t devfn, uint32_t offset, absl::Span<uint8_t> data)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SyncSlot(Slot& slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SyncBar(Slot& slot, Bar& bar, uint16_t command) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RetryWaiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Unmap(Slot& slot, Bar& bar) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MayDecode(const PciBar& bar, uint64_t address) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Bus& BusOf(const PciBar& bar) const;

  Bus& ports_;
  Bus& mmio_;
  const std::vector<PciIntxLine> intx_lines_;
  std::list<SharedIrqLine> shared_lines_;  // One for each of intx_lines_.
  Nothing nothing_;
  StubFunction host_bridge_;

  mutable Mutex mutex_;
  RangeAllocator io_ ABSL_GUARDED_BY(mutex_);
  RangeAllocator low_ ABSL_GUARDED_BY(mutex_);
  RangeAllocator high_ ABSL_GUARDED_BY(mutex_);
  std::array<Slot, kFunctions> slots_ ABSL_GUARDED_BY(mutex_);
  std::vector<PciIntxRoute> intx_routes_ ABSL_GUARDED_BY(mutex_);
  size_t added_ ABSL_GUARDED_BY(mutex_) = 0;
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;        // BARs whose place is taken.
  bool released_ ABSL_GUARDED_BY(mutex_) = false;  // A place became free since RetryWaiting.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PCI_PCI_ROOT_H_
