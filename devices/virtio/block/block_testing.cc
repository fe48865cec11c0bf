#include "devices/virtio/block/block_testing.h"

#include <errno.h>
#include <string.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "base/event_fd.h"
#include "base/log.h"

namespace touchstone {
namespace {

constexpr uint16_t kMaxQueues = 3;
constexpr char kId[] = "DISK1";

// The disk's content: sectors filled with their numbers.
const std::vector<uint8_t>& Content() {
  static const std::vector<uint8_t>& content = *new std::vector<uint8_t>([] {
    std::vector<uint8_t> bytes;
    for (uint64_t sector = 0; sector < BlockUnderTest::kSectors; ++sector) {
      bytes.insert(bytes.end(), kBlockSector, static_cast<uint8_t>(sector));
    }
    return bytes;
  }());
  return content;
}

// REQUIRES: the disk is that long.
bool IsContent(absl::Span<const uint8_t> bytes, uint64_t sector) {
  return memcmp(bytes.data(), Content().data() + sector * kBlockSector, bytes.size()) == 0;
}

std::function<bool(const DriverQueue::Used&)> Says(BlockStatus status) {
  return [status](const DriverQueue::Used& used) {
    return used.data.back() == static_cast<uint8_t>(status);
  };
}

TestRequest Read(std::string name, uint64_t sector, std::vector<uint32_t> sizes) {
  sizes.push_back(1);
  return {.name = std::move(name),
          .readable = {HeaderBytes(BlockRequestType::kIn, sector)},
          .writable = std::move(sizes),
          .is_answer = [sector](const DriverQueue::Used& used) {
            return used.length == used.data.size() && used.data.back() == 0 &&
                   IsContent(absl::MakeConstSpan(used.data).first(used.length - 1), sector);
          }};
}

// A request without data from the device.
TestRequest Command(std::string name, BlockRequestType type, std::vector<uint8_t> data,
                    BlockStatus status, uint64_t features = 0, uint64_t sector = 0) {
  TestRequest request = {.name = std::move(name),
                         .readable = {HeaderBytes(type, sector)},
                         .writable = {1},
                         .features = features,
                         .is_answer = Says(status)};
  if (!data.empty()) request.readable.push_back(std::move(data));
  return request;
}

TestRequest GetId(BlockStatus status) {
  return {.name = "GetId",
          .readable = {HeaderBytes(BlockRequestType::kGetId)},
          .writable = {kBlockIdSize, 1},
          .is_answer = [status](const DriverQueue::Used& used) {
            std::string id(used.data.begin(), used.data.begin() + kBlockIdSize);
            id.resize(std::min(id.size(), id.find('\0')));
            return used.data.back() == static_cast<uint8_t>(status) &&
                   id == (status == BlockStatus::kOk ? kId : "");
          }};
}

// Of any disk. Nothing here writes to the sectors that are read.
std::vector<TestRequest> Reads() {
  std::vector<TestRequest> reads = {Read("Read", 2, {512}),
                                    Read("ReadPieces", 8, {1024, 512, 4096}),
                                    Read("ReadNothing", 3, {}), Read("ReadOnQueue2", 20, {2048})};
  reads.back().queue = 2;
  reads.push_back({.name = "ReadBeyond",
                   .readable = {HeaderBytes(BlockRequestType::kIn, BlockUnderTest::kSectors - 1)},
                   .writable = {1024, 1},
                   .is_answer = Says(BlockStatus::kIoError)});
  reads.push_back(
      Command("Unknown", static_cast<BlockRequestType>(99), {}, BlockStatus::kUnsupported));
  return reads;
}

std::vector<TestRequest> ReadsAndWrites(bool sparse) {
  std::vector<TestRequest> requests = Reads();
  requests.push_back(GetId(BlockStatus::kOk));
  requests.push_back(Command("Write", BlockRequestType::kOut, std::vector<uint8_t>(512, 0xA5),
                             BlockStatus::kOk, 0, 24));
  requests.push_back(Command("WriteOnQueue1", BlockRequestType::kOut,
                             std::vector<uint8_t>(1024, 0x5A), BlockStatus::kOk, 0, 25));
  requests.back().queue = 1;
  requests.push_back(
      Command("WritePart", BlockRequestType::kOut, {1, 2, 3}, BlockStatus::kIoError, 0, 24));
  requests.push_back(Command("Flush", BlockRequestType::kFlush, {}, BlockStatus::kOk, kBlockFlush));
  if (sparse) {
    requests.push_back(Command("Discard", BlockRequestType::kDiscard,
                               RangeBytes({{.sector = 27, .sectors = 2}}), BlockStatus::kOk,
                               kBlockDiscard));
  }
  requests.push_back(Command("WriteZeroes", BlockRequestType::kWriteZeroes,
                             RangeBytes({{.sector = 29, .sectors = 1, .flags = kBlockRangeUnmap},
                                         {.sector = 30, .sectors = 2}}),
                             BlockStatus::kOk, kBlockWriteZeroes));
  requests.push_back(Command("UnknownFlags", BlockRequestType::kWriteZeroes,
                             RangeBytes({{.sector = 30, .sectors = 1, .flags = 2}}),
                             BlockStatus::kUnsupported, kBlockWriteZeroes));
  return requests;
}

BlockDisk Disk(uint16_t queues) {
  CHECK(queues <= kMaxQueues);
  return {.sectors = BlockUnderTest::kSectors, .packed_ring = true, .queues = queues, .id = kId};
}

DeviceKit Kit(const BlockDisk& disk, std::vector<TestRequest> requests, bool slow = false) {
  std::erase_if(requests, [&](const TestRequest& request) { return request.queue >= disk.queues; });
  if (slow) {
    for (TestRequest& request : requests) request.events = {{.kind = 0}};
  }
  return {
      .make = [disk, slow](
                  ManualLoop& loop) { return std::make_unique<BlockUnderTest>(loop, disk, slow); },
      .requests = std::move(requests)};
}

// Made once: an eventfd costs two system calls.
const FakeDisk::Signals& LentSignals() {
  static const FakeDisk::Signals& signals = *new FakeDisk::Signals([] {
    FakeDisk::Signals made;
    for (int i = 0; i < kMaxQueues; ++i) {
      made.push_back(std::make_shared<const EventFd>(EventFd::Create().value()));
    }
    return made;
  }());
  return signals;
}

}  // namespace

BlockUnderTest::BlockUnderTest(ManualLoop& loop, BlockDisk disk, bool slow)
    : disk_(Content(), LentSignals()), block_(loop, std::move(disk), disk_.Maker()) {
  disk_.hold = slow;
  disk_.record = false;
  disk_.read_only = block_.disk().read_only;
  disk_.alignment = block_.disk().length_alignment;
}

void BlockUnderTest::HostEvent(uint8_t kind, absl::Span<const uint8_t> bytes) {
  switch (kind) {
    case 0:
      return disk_.FinishAll();
    case 1:
    case 2:
      disk_.hold = kind == 1;
      return;
    case 3:
      disk_.error = EIO;
      return;
    case 4:
      disk_.no_io = true;
      return;
    case 6:
      return Resize(bytes.empty() ? 0 : bytes[0] % (kSectors + 1));
    default:
      disk_.error = 0;
      disk_.no_io = false;
  }
}

// As BlockHandle does it. The disk checks that nothing happens beyond its end.
void BlockUnderTest::Resize(uint64_t sectors) {
  if (std::exchange(resizing_, true)) return;
  if (sectors > block_.sectors()) disk_.bytes.resize(sectors * kBlockSector);
  block_.Resize(sectors, [this, sectors] {
    disk_.bytes.resize(sectors * kBlockSector);
    resizing_ = false;
  });
}

DeviceKit BlockKit(uint16_t queues) { return Kit(Disk(queues), ReadsAndWrites(true)); }

DeviceKit BlockSlowKit(uint16_t queues) { return Kit(Disk(queues), ReadsAndWrites(true), true); }

DeviceKit BlockAlignedKit(uint16_t queues) {
  BlockDisk disk = Disk(queues);
  disk.sparse = false;
  disk.address_alignment = 512;
  disk.length_alignment = 512;
  return Kit(disk, ReadsAndWrites(false));
}

DeviceKit BlockReadOnlyKit(uint16_t queues) {
  BlockDisk disk = Disk(queues);
  disk.read_only = true;
  disk.id.clear();
  std::vector<TestRequest> requests = Reads();
  requests.push_back(GetId(BlockStatus::kUnsupported));
  requests.push_back(Command("Write", BlockRequestType::kOut, std::vector<uint8_t>(512, 0xA5),
                             BlockStatus::kIoError));
  requests.push_back(Command("Flush", BlockRequestType::kFlush, {}, BlockStatus::kIoError));
  requests.push_back(Command("Discard", BlockRequestType::kDiscard,
                             RangeBytes({{.sector = 27, .sectors = 2}}), BlockStatus::kIoError));
  return Kit(disk, std::move(requests));
}

}  // namespace touchstone
