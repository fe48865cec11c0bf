// Dispatches a vCPU's accesses to the device that owns the port or address.
//
//   Bus ports("ports", Bus::kLastPort);
//   RETURN_IF_ERROR(ports.Insert({0x3F8, 8}, "serial1", &serial));
//   ...
//   ports.Read(exit.port, data);  // unclaimed bytes read 0xFF
//
// One class serves ports and MMIO; only the last address differs.
//
// Ownership: devices are borrowed.
//
// Threads: thread-safe. Read and Write take no lock: they look the address up in a sorted table of
// fixed capacity, all atomics under a version number (a seqlock), and first in a few segments that
// this thread found before, which stay right for as long as the version does. Insert, Remove and
// Move are serialised by a mutex, publish in place and allocate nothing for readers, so a guest
// that moves its BARs for ever costs no memory. A reader that keeps colliding with writers takes
// that mutex in the end, so it cannot starve.
//
// Lifetime: once Remove returns, no access starts at the removed range, but one that another thread
// started before may still be inside the device. REQUIRES: a device is destroyed only after
// Remove and after every thread that dispatches has left its current Read or Write (vCPUs paused or
// gone). Remove cannot wait for them itself, because devices call it from inside a Write.

#ifndef TOUCHSTONE_DEVICES_BUS_BUS_H_
#define TOUCHSTONE_DEVICES_BUS_BUS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "devices/bus/address_range.h"
#include "devices/bus/bus_device.h"

namespace touchstone {

class Bus {
 public:
  // `last_address` of a port bus and of a bus of guest-physical addresses.
  static constexpr uint64_t kLastPort = 0xFFFF;
  static constexpr uint64_t kLastMmioAddress = ~uint64_t{0};

  static constexpr size_t kDefaultCapacity = 1024;

  // `name` appears in errors. No more than `capacity` ranges fit.
  Bus(absl::string_view name, uint64_t last_address, size_t capacity = kDefaultCapacity);
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;

  // Maps `range` to `device`, which may be mapped at several ranges; `name` is for errors.
  // InvalidArgument for an empty range or one that leaves the bus, AlreadyExists when it overlaps
  // another (the message names both), ResourceExhausted when the bus is full.
  absl::Status Insert(AddressRange range, absl::string_view name, BusDevice* device);

  // Unmaps the range that starts at `start`. NotFound when there is none.
  absl::Status Remove(uint64_t start);

  // Moves the range that starts at `start` to `new_start`, in one step: a reader finds it at one of
  // the two places. It may overlap its own old place. Errors as Insert and Remove; the old mapping
  // is then left as it was.
  absl::Status Move(uint64_t start, uint64_t new_start);

  // Reads `data.size()` bytes at `address`. An access that straddles ranges is split as a bridge
  // does: each device sees its part, and bytes that nobody claims, or that lie behind the last
  // address, read 0xFF. Any size is served; devices see at most 8 bytes at a time. False when
  // nobody claimed a byte.
  bool Read(uint64_t address, absl::Span<uint8_t> data);

  // The same for writes; unclaimed bytes are dropped.
  bool Write(uint64_t address, absl::Span<const uint8_t> data);

  struct Mapping {
    AddressRange range;
    std::string name;
    BusDevice* device = nullptr;
  };
  // What is mapped now, in the order of addresses.
  [[nodiscard]] std::vector<Mapping> Mappings() const;

 private:
  // A piece of the address space that belongs to one device or to none.
  struct Segment {
    uint64_t first = 0;
    uint64_t last = 0;
    BusDevice* device = nullptr;  // Null in a gap.
  };
  // The published form of a Mapping.
  struct Slot {
    std::atomic<uint64_t> last{0};
    std::atomic<BusDevice*> device{nullptr};
  };
  struct Hint;
  static thread_local constinit Hint t_hints[];

  Segment Find(uint64_t address);
  Segment FindSlow(uint64_t address, Hint& hint);
  Segment SearchSlots(uint64_t address) const;
  template <typename Byte, typename Access>
  bool Dispatch(uint64_t address, absl::Span<Byte> data, Access access);

  absl::Status CheckFree(const AddressRange& range, absl::string_view name, size_t ignored) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  size_t IndexOf(uint64_t start) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Publish(size_t from) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string name_;
  const uint64_t last_address_;
  const size_t capacity_;

  mutable Mutex mutex_;
  std::vector<Mapping> mappings_ ABSL_GUARDED_BY(mutex_);  // Sorted by start.

  // What readers see: written under mutex_, read without. Odd while being written; the even values
  // are unique in the process, so that a hint cannot outlive its table or its bus.
  alignas(64) std::atomic<uint64_t> version_;
  std::atomic<size_t> count_{0};
  const std::unique_ptr<std::atomic<uint64_t>[]> starts_;
  const std::unique_ptr<Slot[]> slots_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_BUS_BUS_H_
