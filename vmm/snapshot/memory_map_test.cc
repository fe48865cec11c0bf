#include "vmm/snapshot/memory_map.h"

#include <sys/mman.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/snapshot/memory_map.pb.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kChunk = MemoryMap::kChunkSize;
constexpr uint64_t kPage = kGuestPageSize;

GuestMemory TwoRegions() {
  return GuestMemory::Create(
             {{GuestAddress{0}, 2 * kChunk + kPage}, {GuestAddress{1} + 0xFFFFFFFF, kPage}}, {})
      .value();
}

std::string ErrorOf(const MemoryMapProto& proto, uint64_t file_size) {
  const auto map = MemoryMap::Parse(proto.SerializeAsString(), file_size);
  return map.ok() ? "" : std::string(map.status().message());
}

// One region of one page.
MemoryMapProto Smallest() {
  MemoryMapProto proto;
  MemoryMapProto::Region& region = *proto.add_region();
  region.set_start(0x1000);
  region.set_size(kPage);
  proto.add_checksum(7);
  return proto;
}

TEST(MemoryMapTest, CutsMemoryIntoChunks) {
  const MemoryMap map(TwoRegions(), false);

  ASSERT_EQ(map.chunks().size(), 4u);
  EXPECT_EQ(map.chunks()[2].start, GuestAddress{2 * kChunk});
  EXPECT_EQ(map.chunks()[2].size, kPage);
  EXPECT_EQ(map.chunks()[2].file_offset, 2 * kChunk);
  // The next region begins with the next 2 MiB.
  EXPECT_EQ(map.chunks()[3].file_offset, 3 * kChunk);
  EXPECT_EQ(map.file_size(), 3 * kChunk + kPage);
  EXPECT_EQ(map.total_size(), 2 * kChunk + 2 * kPage);
}

TEST(MemoryMapTest, ComesBackAsItWas) {
  for (const bool compressed : {false, true}) {
    MemoryMap map(TwoRegions(), compressed);
    uint64_t frames = 0;
    for (size_t i = 0; i < map.chunks().size(); ++i) {
      map.chunks()[i].checksum = static_cast<uint32_t>(0x1000 + i);
      if (!compressed) continue;
      map.chunks()[i].file_offset = frames;
      frames += map.chunks()[i].file_size = i % 2 == 0 ? 100 + i : 0;
    }

    const auto back = MemoryMap::Parse(map.Serialize(), map.file_size());

    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(back->compressed(), compressed);
    EXPECT_EQ(back->regions(), map.regions());
    EXPECT_EQ(back->Serialize(), map.Serialize());
    ASSERT_EQ(back->chunks().size(), 4u);
    EXPECT_EQ(back->chunks()[3].checksum, 0x1003u);
    EXPECT_EQ(back->chunks()[2].file_offset, map.chunks()[2].file_offset);
    EXPECT_TRUE(back->CheckAgainst(TwoRegions()).ok());
  }
}

TEST(MemoryMapTest, FilesOfTheUserKeepTheirBytes) {
  const ScopedFd file(memfd_create("test", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(file.get(), kPage), 0);
  const GuestMemory memory =
      GuestMemory::Create({{GuestAddress{0}, kPage}, {GuestAddress{0x10000}, kPage, 0, file.get()}},
                          {})
          .value();

  const MemoryMap map(memory, false);

  EXPECT_EQ(map.regions().size(), 2u);
  EXPECT_EQ(map.chunks().size(), 1u);
  EXPECT_EQ(map.file_size(), kPage);
}

TEST(MemoryMapTest, OtherMemoryIsNamed) {
  const MemoryMap map(TwoRegions(), false);
  const GuestMemory other = GuestMemory::Create({{GuestAddress{0}, kChunk}}, {}).value();

  EXPECT_EQ(map.CheckAgainst(other).message(),
            "the snapshot is of a machine whose memory is 0 + 0x401000, 0x100000000 + 0x1000; that "
            "of this one is 0 + 0x200000");
}

TEST(MemoryMapTest, RegionsOutOfOrderAreRefused) {
  const std::vector<std::pair<uint64_t, uint64_t>> wrong = {{1, kPage},
                                                            {0, kPage + 1},
                                                            {0, 0},
                                                            {uint64_t{1} << 52, kPage},
                                                            {~uint64_t{0} - kPage + 1, kPage},
                                                            {kPage, ~uint64_t{0} - kPage + 1}};
  for (const auto& [start, size] : wrong) {
    MemoryMapProto proto = Smallest();
    proto.mutable_region(0)->set_start(start);
    proto.mutable_region(0)->set_size(size);
    EXPECT_THAT(ErrorOf(proto, kPage), HasSubstr("out of order")) << start << " " << size;
  }
  MemoryMapProto twice = Smallest();
  *twice.add_region() = twice.region(0);
  twice.add_checksum(7);
  EXPECT_THAT(ErrorOf(twice, 2 * kPage), HasSubstr("out of order"));
}

// A size from the file is never the size of anything that is made.
TEST(MemoryMapTest, ListsOfTheWrongLengthAreRefused) {
  MemoryMapProto huge = Smallest();
  huge.mutable_region(0)->set_size(uint64_t{1} << 51);
  EXPECT_THAT(ErrorOf(huge, kPage), HasSubstr("one checksum for each of 1073741824 chunks"));

  MemoryMapProto many = Smallest();
  many.add_checksum(8);
  EXPECT_THAT(ErrorOf(many, kPage), HasSubstr("one checksum for each of 1 chunks"));

  MemoryMapProto frames = Smallest();
  frames.add_frame_size(8);
  EXPECT_THAT(ErrorOf(frames, kPage), HasSubstr("one checksum"));
  frames.set_compressed(true);
  EXPECT_EQ(ErrorOf(frames, 8), "");
  frames.set_frame_size(0, 0xFFFFFFFF);
  EXPECT_THAT(ErrorOf(frames, 0xFFFFFFFF), HasSubstr("too long"));
}

TEST(MemoryMapTest, AnotherSizeOfTheFileIsNamed) {
  EXPECT_EQ(ErrorOf(Smallest(), kPage), "");
  EXPECT_EQ(ErrorOf(Smallest(), kPage - 1),
            "its memory is a file of 4095 bytes, and should have 4096");
}

TEST(MemoryMapTest, OtherBytesAreRefused) {
  EXPECT_EQ(MemoryMap::Parse("\xFF", 0).status().message(), "the map of its memory cannot be read");
}

}  // namespace
}  // namespace touchstone
