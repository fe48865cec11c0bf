// Inserts, removes, moves and accesses ranges of a bus, and compares each answer with a model that
// is a plain list.
//
// Input: one byte chooses the bus, then operations: an opcode byte, then its operands.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/checked_math.h"
#include "base/log.h"
#include "devices/bus/bus.h"
#include "fuzz/support/fuzz_input.h"

namespace touchstone {
namespace {

constexpr size_t kCapacity = 12;
constexpr int kDevices = 4;

// Answers with its number and the low bits of the offset, and checks what a device may rely on.
class CheckingDevice final : public BusDevice {
 public:
  explicit CheckingDevice(uint8_t number) : number_(number) {}

  static uint8_t Answer(uint8_t number, uint64_t offset) {
    return static_cast<uint8_t>(number << 5 | (offset & 0x1F));
  }
  void Read(uint64_t offset, absl::Span<uint8_t> data) override {
    CHECK(!data.empty() && data.size() <= 8);
    for (size_t i = 0; i < data.size(); ++i) {
      CHECK(data[i] == 0xFF);
      data[i] = Answer(number_, offset + i);
    }
  }
  void Write(uint64_t, absl::Span<const uint8_t> data) override {
    CHECK(!data.empty() && data.size() <= 8);
  }

 private:
  const uint8_t number_;
};

struct ModelRange {
  AddressRange range;
  int device;
};

class Model {
 public:
  explicit Model(uint64_t last) : last_(last) {}

  bool Fits(const AddressRange& range, const ModelRange* ignored) const {
    if (!range.valid() || range.last() > last_) return false;
    return std::none_of(ranges_.begin(), ranges_.end(), [&](const ModelRange& other) {
      return &other != ignored && other.range.Overlaps(range);
    });
  }
  ModelRange* StartingAt(uint64_t start) {
    const auto found =
        std::find_if(ranges_.begin(), ranges_.end(),
                     [start](const ModelRange& range) { return range.range.start == start; });
    return found == ranges_.end() ? nullptr : &*found;
  }
  void Remove(const ModelRange* range) {
    ranges_.erase(ranges_.begin() + (range - ranges_.data()));
  }

  // The byte at `address`, or -1 when nobody claims it.
  int ByteAt(uint64_t address) const {
    for (const ModelRange& range : ranges_) {
      if (!range.range.Contains(address)) continue;
      return CheckingDevice::Answer(static_cast<uint8_t>(range.device),
                                    address - range.range.start);
    }
    return -1;
  }
  std::vector<ModelRange>& ranges() { return ranges_; }

 private:
  const uint64_t last_;
  std::vector<ModelRange> ranges_;
};

// Mostly small, so that ranges meet; sometimes anywhere.
uint64_t Address(FuzzInput& input) {
  const uint8_t byte = input.U8();
  if (byte < 0xF0) return byte;
  if (byte < 0xF8) return ~uint64_t{0} - (byte & 7);
  return input.U64();
}

void CheckMappings(const Bus& bus, Model& model, const std::vector<CheckingDevice>& devices) {
  std::sort(model.ranges().begin(), model.ranges().end(),
            [](const ModelRange& a, const ModelRange& b) { return a.range.start < b.range.start; });
  const std::vector<Bus::Mapping> mappings = bus.Mappings();
  CHECK(mappings.size() == model.ranges().size());
  for (size_t i = 0; i < mappings.size(); ++i) {
    CHECK(mappings[i].range == model.ranges()[i].range);
    CHECK(mappings[i].device == &devices[static_cast<size_t>(model.ranges()[i].device)]);
  }
}

void CheckRead(Bus& bus, const Model& model, uint64_t address, size_t size) {
  std::vector<uint8_t> data(size);
  const bool claimed = bus.Read(address, absl::MakeSpan(data));
  bool expected_claimed = false;
  for (size_t i = 0; i < size; ++i) {
    const auto at = CheckedAdd<uint64_t>(address, i);
    const int byte = at ? model.ByteAt(*at) : -1;
    expected_claimed |= byte >= 0;
    CHECK(data[i] == (byte < 0 ? 0xFF : byte));
  }
  CHECK(claimed == expected_claimed);
}

void Run(FuzzInput input) {
  const uint64_t last = input.Bool() ? Bus::kLastPort : Bus::kLastMmioAddress;
  Bus bus("bus", last, kCapacity);
  Model model(last);
  std::vector<CheckingDevice> devices;
  for (uint8_t i = 0; i < kDevices; ++i) devices.emplace_back(i);

  while (!input.empty()) {
    const uint8_t opcode = input.U8();
    switch (opcode % 5) {
      case 0: {
        const uint64_t start = Address(input);
        const AddressRange range{start, Address(input)};
        const int device = opcode / 5 % kDevices;
        const bool fits = model.Fits(range, nullptr) && model.ranges().size() < kCapacity;
        CHECK(bus.Insert(range, "fuzzed", &devices[static_cast<size_t>(device)]).ok() == fits);
        if (fits) model.ranges().push_back({range, device});
        break;
      }
      case 1: {
        const uint64_t start = Address(input);
        const ModelRange* range = model.StartingAt(start);
        CHECK(bus.Remove(start).ok() == (range != nullptr));
        if (range != nullptr) model.Remove(range);
        break;
      }
      case 2: {
        const uint64_t start = Address(input);
        const uint64_t target = Address(input);
        ModelRange* range = model.StartingAt(start);
        const bool fits =
            range != nullptr && model.Fits(AddressRange{target, range->range.size}, range);
        CHECK(bus.Move(start, target).ok() == fits);
        if (fits) range->range.start = target;
        break;
      }
      case 3:
        CheckRead(bus, model, Address(input), opcode / 5 % 20);
        break;
      case 4:
        bus.Write(Address(input), input.Bytes(opcode / 5 % 20));
        break;
    }
    CheckMappings(bus, model, devices);
  }
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  touchstone::Run(touchstone::FuzzInput(data, size));
  return 0;
}
