// QEMU's firmware configuration device: files that the host hands to the guest, by number and name
// (QEMU, docs/specs/fw_cfg).
//
//   port   access         meaning
//   0x510  16-bit write   selects the item of this number and goes to its first byte
//   0x511  8-bit read     the item's next byte; 0 behind its end and where there is no item
//
//   item    bytes
//   0x0000  "QEMU"
//   0x0001  1, 0, 0, 0: these ports are all there is, no DMA (as crosvm's, crosvm.md 5.22)
//   0x0005  number of processors (16 bits), 0x000F the most there can be: for firmware, when given
//   0x0019  the directory: count (32 bits, big-endian), then an entry of 64 bytes for each file
//   0x0020  the first file; each further one has the next number
//
// Writes of items are ignored, as by QEMU since 2.4, and so is every access of another width.
//
//   std::vector<FwCfg::File> files = {{"opt/org.example/greeting", {'h', 'i'}}};
//   FwCfg fw_cfg(std::move(files));
//
// Thread-safe. The files do not change.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_FW_CFG_FW_CFG_H_
#define TOUCHSTONE_DEVICES_PLATFORM_FW_CFG_FW_CFG_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "devices/bus/bus_device.h"

namespace touchstone {

class FwCfg final : public BusDevice {
 public:
  static constexpr uint16_t kPort = 0x510;
  static constexpr uint16_t kPortCount = 2;
  // Registers, as offsets.
  static constexpr uint64_t kSelector = 0;
  static constexpr uint64_t kData = 1;

  // Items.
  static constexpr uint16_t kSignatureItem = 0x0000;
  static constexpr uint16_t kInterfaceItem = 0x0001;
  static constexpr uint16_t kProcessorsItem = 0x0005;
  static constexpr uint16_t kMostProcessorsItem = 0x000F;
  static constexpr uint16_t kDirectoryItem = 0x0019;
  static constexpr uint16_t kFirstFileItem = 0x0020;
  // Selector bits 14 (the item is written) and 15 (its number is the architecture's) are no part of
  // a file's number.
  static constexpr size_t kMostFiles = 0x4000 - kFirstFileItem;

  // Bits of kInterfaceItem.
  static constexpr uint32_t kTraditionalInterface = 1 << 0;
  static constexpr uint32_t kDmaInterface = 1 << 1;

  static constexpr size_t kDirectoryEntrySize = 64;
  // The name's field in the directory is 56 bytes and ends in a NUL.
  static constexpr size_t kLongestName = 55;
  static constexpr uint64_t kLargestFile = 16 << 20;

  struct File {
    std::string name;
    std::vector<uint8_t> contents;
  };

  // Where the guest is. Plain data for snapshots.
  struct State {
    uint16_t selector = 0;
    uint32_t position = 0;

    bool operator==(const State&) const = default;
  };

  // REQUIRES: at most kMostFiles, with names of 1 to kLongestName bytes, of which no two are alike,
  // and contents of at most kLargestFile.
  explicit FwCfg(std::vector<File> files, uint16_t processors = 0);

  void Read(uint64_t offset, absl::Span<uint8_t> data) override;
  void Write(uint64_t offset, absl::Span<const uint8_t> data) override;

  [[nodiscard]] State Save() const;
  // InvalidArgument for a position behind the item's end; nothing has changed then.
  absl::Status Restore(const State& state);

 private:
  // Empty where there is none.
  [[nodiscard]] absl::Span<const uint8_t> Item(uint16_t selector) const;

  const std::vector<File> files_;
  const std::vector<uint8_t> directory_;
  const std::vector<uint8_t> processors_;  // Empty when nobody says how many.
  mutable Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_FW_CFG_FW_CFG_H_
