// The configuration space of one PCI function: bytes, what a guest may write of them, and
// capability lists.
//
//   ConfigSpace config(ConfigSpace::Header::kEndpoint, {.vendor = 0x1B36, .device = 0x0011,
//                                                       .class_code = 0xFF0000});
//   RETURN_IF_ERROR(config.AddBar({.index = 0, .kind = PciBarKind::kMemory32, .size = 16}));
//   ASSIGN_OR_RETURN(const uint8_t offset, config.AddCapability(kPciCapabilityVendor, body));
//
// Every register is read-only to the guest unless it was made writable; a BAR answers the sizing
// protocol because its low address bits stay so. PCI Local Bus 3.0, 6.1 and 6.7; PCI Express 5.0,
// 7.2 and 7.6.
//
// A value: copying it copies the whole space. Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_PCI_CONFIG_SPACE_H_
#define TOUCHSTONE_DEVICES_PCI_CONFIG_SPACE_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/endian.h"
#include "devices/pci/pci_registers.h"

namespace touchstone {

struct PciIdentity {
  uint16_t vendor = 0;
  uint16_t device = 0;
  uint8_t revision = 0;
  uint32_t class_code = 0;  // Base class, subclass and interface: 0xBBSSII.
  uint16_t subsystem_vendor = 0;
  uint16_t subsystem = 0;
};

enum class PciBarKind { kIo, kMemory32, kMemory64 };

struct PciBar {
  int index = 0;  // A 64-bit BAR takes the next one too.
  PciBarKind kind = PciBarKind::kMemory32;
  bool prefetchable = false;
  uint64_t size = 0;
};

class ConfigSpace {
 public:
  enum class Header : uint8_t { kEndpoint = 0, kBridge = 1 };

  static constexpr size_t kConventionalSize = 256;
  static constexpr size_t kExpressSize = 4096;

  // REQUIRES: `size` is one of the two.
  ConfigSpace(Header header, const PciIdentity& identity, size_t size = kExpressSize);

  // --- The guest's side: any offset and size.

  // Bytes behind the end read 0xFF, as those of a function that does not answer.
  void Read(uint32_t offset, absl::Span<uint8_t> data) const;
  // Changes writable bits, clears write-1-to-clear bits, ignores the rest.
  void Write(uint32_t offset, absl::Span<const uint8_t> data);

  // --- The device's side. REQUIRES: offset + sizeof(T) <= size().

  template <std::unsigned_integral T>
  [[nodiscard]] T Get(uint32_t offset) const {
    return static_cast<T>(LoadLe(Bytes(offset, sizeof(T))));
  }
  template <std::unsigned_integral T>
  void Set(uint32_t offset, T value) {
    StoreLe(value, MutableBytes(bytes_, offset, sizeof(T)));
  }
  // Lets the guest write exactly the bits of `mask`.
  template <std::unsigned_integral T>
  void SetWritable(uint32_t offset, T mask) {
    StoreLe(mask, MutableBytes(writable_, offset, sizeof(T)));
  }
  // Lets the guest clear exactly the bits of `mask` by writing ones.
  template <std::unsigned_integral T>
  void SetWriteOneToClear(uint32_t offset, T mask) {
    StoreLe(mask, MutableBytes(clearable_, offset, sizeof(T)));
  }

  // Appends a capability whose bytes behind id and next pointer are `body`, and returns its offset.
  // ResourceExhausted when the 192 bytes behind the header are used up.
  absl::StatusOr<uint8_t> AddCapability(uint8_t id, absl::Span<const uint8_t> body);

  // Appends an extended capability whose bytes behind the 4-byte header are `body`, and returns its
  // offset (PCI Express 5.0, 7.6.3). ResourceExhausted as above; FailedPrecondition in a
  // conventional space.
  absl::StatusOr<uint16_t> AddExtendedCapability(uint16_t id, uint8_t version,
                                                 absl::Span<const uint8_t> body);

  // The first capability with this id. Bounded even when the list was made a loop by Set.
  [[nodiscard]] std::optional<uint8_t> FindCapability(uint8_t id) const;

  // Makes a BAR. InvalidArgument for an index that does not exist or is taken, or a size that is no
  // power of two or out of bounds: 4 bytes to 256 of I/O (PCI Local Bus 3.0, 6.2.5.1), 16 bytes to
  // 2 GiB of 32-bit memory, to 2^63 of 64-bit memory.
  absl::Status AddBar(const PciBar& bar);
  [[nodiscard]] const std::vector<PciBar>& bars() const { return bars_; }

  // The address the guest wrote to the BAR. REQUIRES: AddBar made it.
  [[nodiscard]] uint64_t BarAddress(int index) const;

  [[nodiscard]] uint16_t command() const { return Get<uint16_t>(kPciCommand); }

  // INTA is 1, INTD is 4, 0 is none (PCI Local Bus 3.0, 6.2.4).
  void SetInterruptPin(uint8_t pin) { Set<uint8_t>(kPciInterruptPin, pin); }
  // Shows or hides the status bit that says that the function wants INTx#.
  void SetInterruptStatus(bool pending);

  // --- Saved state.

  [[nodiscard]] size_t size() const { return bytes_.size(); }
  [[nodiscard]] absl::Span<const uint8_t> bytes() const { return bytes_; }
  // Takes what a guest could have written from `bytes`, which `bytes()` of an equal function gave.
  // InvalidArgument when its size, vendor or device differ.
  absl::Status Restore(absl::Span<const uint8_t> bytes);

 private:
  absl::Span<const uint8_t> Bytes(uint32_t offset, size_t size) const;
  static absl::Span<uint8_t> MutableBytes(std::vector<uint8_t>& bytes, uint32_t offset,
                                          size_t size);
  void InitBridge();

  std::vector<uint8_t> bytes_;
  std::vector<uint8_t> writable_;
  std::vector<uint8_t> clearable_;
  std::vector<PciBar> bars_;
  uint32_t bar_registers_ = 0;  // Bit n: BAR register n is taken.
  uint32_t next_capability_ = kPciFirstCapability;
  uint32_t last_capability_pointer_ = kPciCapabilities;
  uint32_t next_extended_ = kPciFirstExtendedCapability;
  uint32_t last_extended_ = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PCI_CONFIG_SPACE_H_
