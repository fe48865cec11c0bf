// A NOR flash chip with the commands that firmware keeps its variables with, a part of Intel's
// basic command set (Intel, Common Flash Memory Interface and Command Sets, 2000; crosvm.md 5.22).
//
//   write of a byte             what follows
//   0x10, then a byte           the byte is stored where it is written
//   0x20, then 0xD0             the block is erased: all ones
//   0x50                        the status is cleared, the contents are read again
//   0x70                        the status is read, at any address
//   0xFF                        the contents are read, as at the start
//   another                     ignored
//
// After a program or an erase the status is read too. There is no CFI query, which is how OVMF's
// driver uses it. As with crosvm's and QEMU's flash, a byte need not have been erased before it is
// programmed, and a cleared status does not say "ready": firmware tells flash from RAM and ROM by
// that.
//
// Commands are byte accesses; wider writes are ignored. Reads may have any width; the status is in
// each of their bytes.
//
// What the guest writes is in the file before the write is over for the guest; a host that cannot
// write makes the command fail, and the contents stay as they were.
//
//   ASSIGN_OR_RETURN(std::unique_ptr<Flash> flash, Flash::Open("vars.fd", 4096));
//   mmio.Insert({kFourGiB - rom - flash->size(), flash->size()}, "flash", flash.get());
//
// Thread-safe. Owns the file.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_FLASH_FLASH_H_
#define TOUCHSTONE_DEVICES_PLATFORM_FLASH_FLASH_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "base/scoped_fd.h"
#include "devices/bus/bus_device.h"

namespace touchstone {

class Flash final : public BusDevice {
 public:
  static constexpr uint64_t kLargest = 16 << 20;

  // Commands.
  static constexpr uint8_t kProgram = 0x10;
  static constexpr uint8_t kEraseBlock = 0x20;
  static constexpr uint8_t kClearStatus = 0x50;
  static constexpr uint8_t kReadStatus = 0x70;
  static constexpr uint8_t kConfirm = 0xD0;
  static constexpr uint8_t kReadArray = 0xFF;

  // Status bits.
  static constexpr uint8_t kReady = 1 << 7;
  static constexpr uint8_t kEraseFailed = 1 << 5;
  static constexpr uint8_t kProgramFailed = 1 << 4;

  // What the guest can tell, beside the contents.
  enum class Mode : uint8_t { kArray, kStatus, kProgramming, kErasing };
  struct State {
    Mode mode = Mode::kArray;
    uint8_t status = 0;

    bool operator==(const State&) const = default;
  };

  // Reads the file, which stays open for writing. Errors name --pflash, the file and the reason:
  // what cannot be opened so or is no regular file; an empty one, one of more than kLargest, and
  // one that is not made of whole blocks.
  static absl::StatusOr<std::unique_ptr<Flash>> Open(const std::string& path, uint32_t block_size);

  // `file` has `contents`. REQUIRES: the size of `contents` is a multiple of `block_size` and
  // neither is 0.
  Flash(ScopedFd file, std::vector<uint8_t> contents, uint32_t block_size)
      : file_(std::move(file)), block_size_(block_size), contents_(std::move(contents)) {}

  [[nodiscard]] uint64_t size() const ABSL_LOCKS_EXCLUDED(mutex_);

  void Read(uint64_t offset, absl::Span<uint8_t> data) override;
  void Write(uint64_t offset, absl::Span<const uint8_t> data) override;

  [[nodiscard]] State Save() const;
  // InvalidArgument for a state that no Flash has; nothing has changed then.
  absl::Status Restore(const State& state);

 private:
  void BeginCommand(uint8_t command) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The bytes from `offset` on become `bytes`, in the file first.
  bool Store(uint64_t offset, absl::Span<const uint8_t> bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Erase(uint64_t offset) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ScopedFd file_;
  const uint32_t block_size_;
  mutable Mutex mutex_;
  std::vector<uint8_t> contents_ ABSL_GUARDED_BY(mutex_);  // its size does not change
  State state_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_FLASH_FLASH_H_
