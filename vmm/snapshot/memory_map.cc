#include "vmm/snapshot/memory_map.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/checked_math.h"
#include "base/status.h"
#include "vmm/snapshot/memory_map.pb.h"

namespace touchstone {
namespace {

// Intel SDM volume 3, 4.1.4: MAXPHYADDR is at most 52.
constexpr uint64_t kAddressLimit = uint64_t{1} << 52;

uint64_t ChunksOf(const MemoryMap::Region& region) {
  if (region.of_user) return 0;
  return region.size / MemoryMap::kChunkSize + (region.size % MemoryMap::kChunkSize != 0 ? 1 : 0);
}

std::vector<MemoryMap::Region> RegionsOf(const GuestMemory& memory) {
  std::vector<MemoryMap::Region> regions;
  for (const GuestMemory::Region& region : memory.regions()) {
    regions.push_back({.start = region.start, .size = region.size, .of_user = region.users_file});
  }
  return regions;
}

std::string Describe(const std::vector<MemoryMap::Region>& regions) {
  std::string words;
  for (const MemoryMap::Region& region : regions) {
    absl::StrAppend(&words, words.empty() ? "" : ", ",
                    absl::StrFormat("%#x + %#x", Raw(region.start), region.size),
                    region.of_user ? " of a file" : "");
  }
  return words;
}

absl::Status Broken(absl::string_view why) {
  return absl::DataLossError(absl::StrCat("the map of its memory ", why));
}

}  // namespace

MemoryMap::MemoryMap(const GuestMemory& memory, bool compressed)
    : regions_(RegionsOf(memory)), compressed_(compressed) {
  CutIntoChunks();
}

void MemoryMap::CutIntoChunks() {
  uint64_t file_offset = 0;
  for (const Region& region : regions_) {
    if (region.of_user) continue;
    file_offset = AlignDown(file_offset + kChunkSize - 1, kChunkSize);
    for (uint64_t offset = 0; offset < region.size; offset += kChunkSize) {
      const uint64_t size = std::min(kChunkSize, region.size - offset);
      chunks_.push_back({.start = region.start + offset,
                         .size = size,
                         .file_offset = compressed_ ? 0 : file_offset,
                         .file_size = compressed_ ? 0 : size});
      file_offset += size;
    }
  }
}

absl::Status MemoryMap::CheckRegions() const {
  uint64_t end = 0;
  for (const Region& region : regions_) {
    const uint64_t start = Raw(region.start);
    if (region.size == 0 || !IsAligned(start, kGuestPageSize) ||
        !IsAligned(region.size, kGuestPageSize) || start < end ||
        !FitsWithin(start, region.size, kAddressLimit)) {
      return Broken(absl::StrCat("is out of order: ", Describe({region})));
    }
    end = start + region.size;
  }
  return absl::OkStatus();
}

absl::StatusOr<MemoryMap> MemoryMap::Parse(absl::string_view bytes, uint64_t file_size) {
  MemoryMapProto proto;
  if (!proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Broken("cannot be read");
  }
  MemoryMap map;
  map.compressed_ = proto.compressed();
  for (const MemoryMapProto::Region& region : proto.region()) {
    map.regions_.push_back({.start = GuestAddress{region.start()},
                            .size = region.size(),
                            .of_user = region.of_user()});
  }
  RETURN_IF_ERROR(map.CheckRegions());
  // The regions end below 2^52, so this cannot wrap; and nothing is made before it is known to be
  // as long as the lists that are there already.
  uint64_t chunks = 0;
  for (const Region& region : map.regions_) chunks += ChunksOf(region);
  if (static_cast<uint64_t>(proto.checksum_size()) != chunks ||
      static_cast<uint64_t>(proto.frame_size_size()) != (map.compressed_ ? chunks : 0)) {
    return Broken(absl::StrCat("has not one checksum for each of ", chunks, " chunks"));
  }
  map.CutIntoChunks();
  uint64_t frames = 0;
  for (size_t i = 0; i < map.chunks_.size(); ++i) {
    Chunk& chunk = map.chunks_[i];
    chunk.checksum = proto.checksum(static_cast<int>(i));
    if (!map.compressed_) continue;
    chunk.file_offset = frames;
    chunk.file_size = proto.frame_size(static_cast<int>(i));
    // No frame is worth it that is much longer than what it holds.
    if (chunk.file_size > 2 * kChunkSize) return Broken("has a frame that is too long");
    frames += chunk.file_size;
  }
  if (map.file_size() != file_size) {
    return absl::DataLossError(absl::StrCat("its memory is a file of ", file_size,
                                            " bytes, and should have ", map.file_size()));
  }
  return map;
}

std::string MemoryMap::Serialize() const {
  MemoryMapProto proto;
  for (const Region& region : regions_) {
    MemoryMapProto::Region& to = *proto.add_region();
    to.set_start(Raw(region.start));
    to.set_size(region.size);
    if (region.of_user) to.set_of_user(true);
  }
  if (compressed_) proto.set_compressed(true);
  for (const Chunk& chunk : chunks_) {
    proto.add_checksum(chunk.checksum);
    if (compressed_) proto.add_frame_size(static_cast<uint32_t>(chunk.file_size));
  }
  return proto.SerializeAsString();
}

absl::Status MemoryMap::CheckAgainst(const GuestMemory& memory) const {
  const std::vector<Region> there = RegionsOf(memory);
  if (there == regions_) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("the snapshot is of a machine whose memory is ",
                                                    Describe(regions_), "; that of this one is ",
                                                    Describe(there)));
}

uint64_t MemoryMap::file_size() const {
  return chunks_.empty() ? 0 : chunks_.back().file_offset + chunks_.back().file_size;
}

uint64_t MemoryMap::total_size() const {
  uint64_t size = 0;
  for (const Chunk& chunk : chunks_) size += chunk.size;
  return size;
}

}  // namespace touchstone
