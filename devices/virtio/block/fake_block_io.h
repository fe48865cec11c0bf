// A disk in memory for tests and fuzzers: operations wait until they are let go on, and fail when
// told to.
//
//   FakeDisk disk(64 * 512);
//   Block block(loop, {.sectors = 64}, disk.Maker());
//   disk.hold = true;              // What is submitted waits,
//   disk.FinishAll();              // until here.
//   disk.error = EIO;              // From now on everything fails.
//
// CHECKs what a device promises its disk: operations within it, on memory aligned as the disk wants
// it, and none that writes to a read-only one.
//
// Thread-compatible: for loops that are turned by hand.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BLOCK_FAKE_BLOCK_IO_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BLOCK_FAKE_BLOCK_IO_H_

#include <string.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/checked_math.h"
#include "base/event_fd.h"
#include "base/log.h"
#include "devices/virtio/block/block_io.h"

namespace touchstone {

class FakeBlockIo;

struct FakeDisk {
  using Signals = std::vector<std::shared_ptr<const EventFd>>;

  // `lent` are signals for the first queues, for those who make many disks.
  explicit FakeDisk(std::vector<uint8_t> content, const Signals& lent = {})
      : bytes(std::move(content)), signals(lent) {}
  explicit FakeDisk(size_t size) : FakeDisk(std::vector<uint8_t>(size)) {}

  // For Block.
  std::function<absl::StatusOr<std::unique_ptr<BlockIo>>(uint16_t)> Maker();

  // Lets the operations that wait, of all queues, go on; the last one first.
  void FinishAll();

  std::vector<uint8_t> bytes;
  bool hold = false;                 // Submitted operations wait.
  int error = 0;                     // What operations end with from now on.
  bool no_io = false;                // Nothing can be made for a queue.
  bool read_only = false;            // Nothing may be written.
  uint32_t alignment = 1;            // Of addresses and lengths of buffers.
  bool record = true;                // Fills `seen`.
  std::vector<BlockOperation> seen;  // Everything that was added, without its slices.
  int submits = 0;
  int waits = 0;
  std::vector<FakeBlockIo*> ios;
  const Signals signals;
};

class FakeBlockIo final : public BlockIo {
 public:
  FakeBlockIo(FakeDisk& disk, std::shared_ptr<const EventFd> completed)
      : disk_(disk), completed_(std::move(completed)) {
    disk_.ios.push_back(this);
  }
  ~FakeBlockIo() override {
    CHECK(added_.empty() && held_.empty());
    std::erase(disk_.ios, this);
  }

  void Add(BlockOperation&& operation) override {
    if (disk_.record) {
      BlockOperation seen = operation;
      seen.slices.clear();
      disk_.seen.push_back(std::move(seen));
    }
    added_.push_back(std::move(operation));
  }
  void Submit() override {
    ++disk_.submits;
    for (BlockOperation& operation : added_) {
      if (disk_.hold) {
        held_.push_back(std::move(operation));
      } else {
        Carry(operation);
      }
    }
    added_.clear();
  }
  void Reap(std::vector<BlockCompletion>& completions) override {
    completions.insert(completions.end(), done_.begin(), done_.end());
    done_.clear();
  }
  void Wait() override {
    CHECK(!held_.empty() || !done_.empty());
    ++disk_.waits;
    Finish();
  }
  [[nodiscard]] const EventFd& completed() const override { return *completed_; }

  void Finish() {
    if (held_.empty()) return;
    for (auto operation = held_.rbegin(); operation != held_.rend(); ++operation) {
      Carry(*operation);
    }
    held_.clear();
    completed_->Signal();
  }

 private:
  void Carry(const BlockOperation& operation) {
    CHECK(FitsWithin<uint64_t>(operation.offset, operation.size, disk_.bytes.size()));
    CHECK(!disk_.read_only || operation.kind == BlockOperation::Kind::kRead);
    if (disk_.error == 0) Move(operation);
    done_.push_back({.token = operation.token, .error = disk_.error});
  }

  void Move(const BlockOperation& operation) {
    uint8_t* at = disk_.bytes.data() + operation.offset;
    switch (operation.kind) {
      case BlockOperation::Kind::kFlush:
        return;
      // The fake gives back what is not sparse, which a driver may not count on.
      case BlockOperation::Kind::kDiscard:
      case BlockOperation::Kind::kWriteZeroes:
        memset(at, 0, operation.size);
        return;
      case BlockOperation::Kind::kRead:
      case BlockOperation::Kind::kWrite:
        break;
    }
    uint64_t moved = 0;
    for (const iovec& slice : operation.slices) {
      CHECK((reinterpret_cast<uintptr_t>(slice.iov_base) | slice.iov_len) % disk_.alignment == 0);
      if (operation.kind == BlockOperation::Kind::kRead) {
        memcpy(slice.iov_base, at, slice.iov_len);
      } else {
        memcpy(at, slice.iov_base, slice.iov_len);
      }
      at += slice.iov_len;
      moved += slice.iov_len;
    }
    CHECK(moved == operation.size);
  }

  FakeDisk& disk_;
  const std::shared_ptr<const EventFd> completed_;
  std::vector<BlockOperation> added_;
  std::vector<BlockOperation> held_;
  std::vector<BlockCompletion> done_;
};

inline std::function<absl::StatusOr<std::unique_ptr<BlockIo>>(uint16_t)> FakeDisk::Maker() {
  return [this](uint16_t queue) -> absl::StatusOr<std::unique_ptr<BlockIo>> {
    if (no_io) return absl::ResourceExhaustedError("no more rings");
    if (queue >= signals.size()) {
      return std::make_unique<FakeBlockIo>(
          *this, std::make_shared<const EventFd>(EventFd::Create().value()));
    }
    signals[queue]->Drain();
    return std::make_unique<FakeBlockIo>(*this, signals[queue]);
  };
}

inline void FakeDisk::FinishAll() {
  for (FakeBlockIo* const io : ios) io->Finish();
}

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BLOCK_FAKE_BLOCK_IO_H_
