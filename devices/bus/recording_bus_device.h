// A BusDevice for tests and fuzzers: answers each byte with its offset plus a base, and remembers
// what it was asked.

#ifndef TOUCHSTONE_DEVICES_BUS_RECORDING_BUS_DEVICE_H_
#define TOUCHSTONE_DEVICES_BUS_RECORDING_BUS_DEVICE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "devices/bus/bus_device.h"

namespace touchstone {

// Thread-compatible, other than a real BusDevice.
class RecordingBusDevice final : public BusDevice {
 public:
  struct Access {
    bool write = false;
    uint64_t offset = 0;
    std::vector<uint8_t> data;  // Of a write; of a read as many zeros as bytes were asked for.

    friend bool operator==(const Access&, const Access&) = default;
  };

  explicit RecordingBusDevice(uint8_t base = 0) : base_(base) {}

  void Read(uint64_t offset, absl::Span<uint8_t> data) override {
    accesses_.push_back({false, offset, std::vector<uint8_t>(data.size())});
    for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<uint8_t>(base_ + offset + i);
  }

  void Write(uint64_t offset, absl::Span<const uint8_t> data) override {
    accesses_.push_back({true, offset, std::vector<uint8_t>(data.begin(), data.end())});
  }

  [[nodiscard]] const std::vector<Access>& accesses() const { return accesses_; }
  void Clear() { accesses_.clear(); }

 private:
  const uint8_t base_;
  std::vector<Access> accesses_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_BUS_RECORDING_BUS_DEVICE_H_
