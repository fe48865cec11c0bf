#include "devices/bus/bus.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/base/optimization.h"
#include "absl/strings/str_cat.h"
#include "base/checked_math.h"
#include "base/log.h"
#include "base/status.h"

namespace touchstone {
namespace {

// The most a BusDevice takes in one call.
constexpr size_t kMaxAccess = 8;

// A reader tries this often without the lock.
constexpr int kLockFreeAttempts = 100;

constexpr size_t kNone = ~size_t{0};

constexpr size_t kHints = 16;

// Ports differ in the bits above the eight registers of a device, MMIO in the page.
size_t HintIndex(uint64_t address) { return ((address >> 3) ^ (address >> 12)) % kHints; }

uint64_t NextVersion() {
  static std::atomic<uint64_t> next{2};
  // Relaxed: only uniqueness matters.
  return next.fetch_add(2, std::memory_order_relaxed);
}

}  // namespace

struct Bus::Hint {
  uint64_t version = 0;  // No table has version 0.
  Segment segment;
};

thread_local constinit Bus::Hint Bus::t_hints[kHints] = {};

Bus::Bus(absl::string_view name, uint64_t last_address, size_t capacity)
    : name_(name),
      last_address_(last_address),
      capacity_(capacity),
      version_(NextVersion()),
      starts_(std::make_unique<std::atomic<uint64_t>[]>(capacity)),
      slots_(std::make_unique<Slot[]>(capacity)) {}

absl::Status Bus::CheckFree(const AddressRange& range, absl::string_view name,
                            size_t ignored) const {
  if (!range.valid() || range.last() > last_address_) {
    return absl::InvalidArgumentError(
        absl::StrCat(name_, ": ", ToString(range), " of ", name,
                     range.size == 0 ? " is empty" : " ends behind the last address 0x",
                     range.size == 0 ? "" : absl::StrCat(absl::Hex(last_address_)).c_str()));
  }
  for (size_t i = 0; i < mappings_.size(); ++i) {
    if (i == ignored || !mappings_[i].range.Overlaps(range)) continue;
    return absl::AlreadyExistsError(absl::StrCat(name_, ": ", ToString(range), " of ", name,
                                                 " overlaps ", ToString(mappings_[i].range), " of ",
                                                 mappings_[i].name));
  }
  return absl::OkStatus();
}

size_t Bus::IndexOf(uint64_t start) const {
  const auto found = std::lower_bound(
      mappings_.begin(), mappings_.end(), start,
      [](const Mapping& mapping, uint64_t address) { return mapping.range.start < address; });
  if (found == mappings_.end() || found->range.start != start) return kNone;
  return static_cast<size_t>(found - mappings_.begin());
}

absl::Status Bus::Insert(AddressRange range, absl::string_view name, BusDevice* device) {
  CHECK(device != nullptr);
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(CheckFree(range, name, kNone));
  if (mappings_.size() == capacity_) {
    return absl::ResourceExhaustedError(absl::StrCat(name_, ": no room for ", ToString(range),
                                                     " of ", name, ": it has ", capacity_,
                                                     " ranges already"));
  }
  const auto place = std::upper_bound(
      mappings_.begin(), mappings_.end(), range.start,
      [](uint64_t start, const Mapping& mapping) { return start < mapping.range.start; });
  const auto inserted = mappings_.insert(place, Mapping{range, std::string(name), device});
  Publish(static_cast<size_t>(inserted - mappings_.begin()));
  return absl::OkStatus();
}

absl::Status Bus::Remove(uint64_t start) {
  MutexLock lock(mutex_);
  const size_t index = IndexOf(start);
  if (index == kNone) {
    return absl::NotFoundError(absl::StrCat(name_, ": nothing starts at 0x", absl::Hex(start)));
  }
  mappings_.erase(mappings_.begin() + static_cast<ptrdiff_t>(index));
  Publish(index);
  return absl::OkStatus();
}

absl::Status Bus::Move(uint64_t start, uint64_t new_start) {
  MutexLock lock(mutex_);
  const size_t index = IndexOf(start);
  if (index == kNone) {
    return absl::NotFoundError(absl::StrCat(name_, ": nothing starts at 0x", absl::Hex(start)));
  }
  const AddressRange target{new_start, mappings_[index].range.size};
  RETURN_IF_ERROR(CheckFree(target, mappings_[index].name, index));
  mappings_[index].range = target;
  // Only this one is out of order: rotate it to its place.
  size_t from = index;
  size_t place = index;
  while (place > 0 && mappings_[place - 1].range.start > new_start) {
    std::swap(mappings_[place - 1], mappings_[place]);
    from = --place;
  }
  while (place + 1 < mappings_.size() && mappings_[place + 1].range.start < new_start) {
    std::swap(mappings_[place + 1], mappings_[place]);
    ++place;
  }
  Publish(from);
  return absl::OkStatus();
}

void Bus::Publish(size_t from) {
  // Relaxed: only writers store versions, and they hold the mutex. The release order of every store
  // below keeps it behind this one: a reader that sees any of them sees an odd or newer version.
  version_.store(version_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  for (size_t i = from; i < mappings_.size(); ++i) {
    const Mapping& mapping = mappings_[i];
    // Release: as above, and the device is complete for whoever finds it.
    starts_[i].store(mapping.range.start, std::memory_order_release);
    slots_[i].last.store(mapping.range.last(), std::memory_order_release);
    slots_[i].device.store(mapping.device, std::memory_order_release);
  }
  count_.store(mappings_.size(), std::memory_order_release);  // Release: as above.
  version_.store(NextVersion(), std::memory_order_release);   // Release: the table is whole again.
}

// Its result means something only when the version did not change meanwhile; its indices are inside
// the arrays at any time. The acquire order of the loads keeps them before the second look at the
// version, and shows the device as it was when it was inserted.
Bus::Segment Bus::SearchSlots(uint64_t address) const {
  size_t low = 0;
  size_t high = count_.load(std::memory_order_acquire);
  const size_t count = high;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (starts_[middle].load(std::memory_order_acquire) <= address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  Segment gap{0, kLastMmioAddress, nullptr};
  if (low < count) gap.last = starts_[low].load(std::memory_order_acquire) - 1;
  if (low == 0) return gap;
  const uint64_t last = slots_[low - 1].last.load(std::memory_order_acquire);
  if (address > last) {
    gap.first = last + 1;
    return gap;
  }
  return {starts_[low - 1].load(std::memory_order_acquire), last,
          slots_[low - 1].device.load(std::memory_order_acquire)};
}

inline Bus::Segment Bus::Find(uint64_t address) {
  Hint& hint = t_hints[HintIndex(address)];
  // Relaxed: with the same version this thread has acquired all of the table before.
  if (ABSL_PREDICT_TRUE(hint.version == version_.load(std::memory_order_relaxed) &&
                        address >= hint.segment.first && address <= hint.segment.last)) {
    return hint.segment;
  }
  return FindSlow(address, hint);
}

Bus::Segment Bus::FindSlow(uint64_t address, Hint& hint) {
  for (int attempt = 0; attempt < kLockFreeAttempts; ++attempt) {
    // Acquire: the table's values are read behind this.
    const uint64_t version = version_.load(std::memory_order_acquire);
    if (version % 2 != 0) continue;
    const Segment segment = SearchSlots(address);
    // Relaxed: SearchSlots's loads are acquires and stay before it.
    if (version_.load(std::memory_order_relaxed) != version) continue;
    hint = {version, segment};
    return segment;
  }
  MutexLock lock(mutex_);
  return SearchSlots(address);
}

template <typename Byte, typename Access>
bool Bus::Dispatch(uint64_t address, absl::Span<Byte> data, Access access) {
  bool claimed = false;
  while (!data.empty()) {
    const Segment segment = Find(address);
    // Inclusive ends: a segment may end at the last address of all.
    const uint64_t behind = segment.last - address;
    size_t size = data.size();
    if (behind < size - 1) size = static_cast<size_t>(behind) + 1;
    if (segment.device != nullptr) {
      size = std::min(size, kMaxAccess);
      access(*segment.device, address - segment.first, data.subspan(0, size));
      claimed = true;
    }
    const std::optional<uint64_t> next = CheckedAdd<uint64_t>(address, size);
    if (size == data.size() || !next.has_value()) break;
    address = *next;
    data.remove_prefix(size);
  }
  return claimed;
}

bool Bus::Read(uint64_t address, absl::Span<uint8_t> data) {
  std::fill(data.begin(), data.end(), 0xFF);
  return Dispatch(address, data, [](BusDevice& device, uint64_t offset, absl::Span<uint8_t> part) {
    device.Read(offset, part);
  });
}

bool Bus::Write(uint64_t address, absl::Span<const uint8_t> data) {
  return Dispatch(address, data,
                  [](BusDevice& device, uint64_t offset, absl::Span<const uint8_t> part) {
                    device.Write(offset, part);
                  });
}

std::vector<Bus::Mapping> Bus::Mappings() const {
  MutexLock lock(mutex_);
  return mappings_;
}

}  // namespace touchstone
