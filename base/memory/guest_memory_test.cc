#include "base/memory/guest_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "base/endian.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

using Spec = GuestMemory::RegionSpec;
using Backing = GuestMemory::Backing;

constexpr uint64_t kPage = kGuestPageSize;
constexpr uint64_t kHugePage = 2 << 20;
constexpr uint64_t kMiB = 1 << 20;

// REQUIRES: the regions can be mapped.
GuestMemory Map(std::vector<Spec> regions, GuestMemory::Options options = {}) {
  return GuestMemory::Create(regions, options).value();
}

absl::StatusCode CreateCode(std::vector<Spec> regions) {
  return GuestMemory::Create(regions, {}).status().code();
}

std::vector<uint8_t> Pattern(size_t size) {
  std::vector<uint8_t> bytes(size);
  std::iota(bytes.begin(), bytes.end(), uint8_t{1});
  return bytes;
}

// Two regions that adjoin at 0x3000, then a hole of one page, then a third.
std::vector<Spec> AdjoiningAndHole() {
  return {{GuestAddress{0x1000}, 2 * kPage},
          {GuestAddress{0x3000}, kPage},
          {GuestAddress{0x5000}, kPage}};
}

// Every behaviour here must not depend on what backs the memory.
class GuestMemoryTest : public testing::TestWithParam<Backing> {
 protected:
  GuestMemory Make(std::vector<Spec> regions, bool track_dirty = false) {
    return Map(std::move(regions), {.backing = GetParam(), .track_dirty = track_dirty});
  }
};

INSTANTIATE_TEST_SUITE_P(Backings, GuestMemoryTest,
                         testing::Values(Backing::kAnonymous, Backing::kMemfd),
                         [](const testing::TestParamInfo<Backing>& info) {
                           return info.param == Backing::kMemfd ? "Memfd" : "Anonymous";
                         });

TEST_P(GuestMemoryTest, StartsAsZeros) {
  GuestMemory memory = Make({{GuestAddress{0}, kPage}});
  std::vector<uint8_t> bytes(kPage, 0xff);

  ASSERT_TRUE(memory.Read(GuestAddress{0}, absl::MakeSpan(bytes)).ok());

  EXPECT_THAT(bytes, Each(0));
}

TEST_P(GuestMemoryTest, ReadsBackWhatWasWrittenAtAnyAlignment) {
  GuestMemory memory = Make({{GuestAddress{0}, kPage}});
  for (size_t size : {1, 2, 3, 4, 7, 8, 9, 15, 16, 31, 64, 100}) {
    for (uint64_t at : {16, 17, 18, 20, 23, 24}) {
      const std::vector<uint8_t> written = Pattern(size);
      std::vector<uint8_t> read(size);

      ASSERT_TRUE(memory.Write(GuestAddress{at}, written).ok());
      ASSERT_TRUE(memory.Read(GuestAddress{at}, absl::MakeSpan(read)).ok());

      EXPECT_EQ(read, written) << size << " bytes at " << at;
    }
  }
}

TEST_P(GuestMemoryTest, WriteTouchesNothingAround) {
  GuestMemory memory = Make({{GuestAddress{0}, kPage}});
  ASSERT_TRUE(memory.Fill(GuestAddress{0}, kPage, 0xee).ok());

  ASSERT_TRUE(memory.Write(GuestAddress{101}, Pattern(9)).ok());

  EXPECT_EQ(*memory.ReadObject<uint8_t>(GuestAddress{100}), 0xee);
  EXPECT_EQ(*memory.ReadObject<uint8_t>(GuestAddress{101}), 1);
  EXPECT_EQ(*memory.ReadObject<uint8_t>(GuestAddress{109}), 9);
  EXPECT_EQ(*memory.ReadObject<uint8_t>(GuestAddress{110}), 0xee);
}

TEST_P(GuestMemoryTest, ObjectsAreTheirBytes) {
  struct Header {
    Le32 magic;
    Le16 flags;
  };
  GuestMemory memory = Make({{GuestAddress{0}, kPage}});

  ASSERT_TRUE(memory.WriteObject(GuestAddress{3}, Header{.magic = 0x11223344, .flags = 5}).ok());

  EXPECT_EQ(*memory.ReadObject<uint8_t>(GuestAddress{3}), 0x44);
  EXPECT_EQ(memory.ReadObject<Header>(GuestAddress{3})->magic.get(), 0x11223344u);
  EXPECT_EQ(memory.ReadObject<Le16>(GuestAddress{7})->get(), 5);
}

TEST_P(GuestMemoryTest, AccessCrossesAdjoiningRegions) {
  GuestMemory memory = Make(AdjoiningAndHole());
  const std::vector<uint8_t> written = Pattern(3 * kPage);
  std::vector<uint8_t> read(3 * kPage);

  ASSERT_TRUE(memory.Write(GuestAddress{0x1000}, written).ok());
  ASSERT_TRUE(memory.Read(GuestAddress{0x1000}, absl::MakeSpan(read)).ok());

  EXPECT_EQ(read, written);
  EXPECT_EQ(memory.ReadObject<Le32>(GuestAddress{0x2ffe})->get(), 0x0201'00ffu);
}

TEST_P(GuestMemoryTest, AccessThatTouchesAHoleFailsAsAWhole) {
  GuestMemory memory = Make(AdjoiningAndHole(), /*track_dirty=*/true);
  const std::vector<uint8_t> written = Pattern(2 * kPage);
  std::vector<uint8_t> read(2 * kPage, 0xaa);

  EXPECT_EQ(memory.Write(GuestAddress{0x3800}, written).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(memory.Read(GuestAddress{0x3800}, absl::MakeSpan(read)).code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(memory.Fill(GuestAddress{0x3800}, 2 * kPage, 7).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(memory.Slices(GuestAddress{0x3800}, 2 * kPage).status().code(),
            absl::StatusCode::kOutOfRange);

  EXPECT_THAT(read, Each(0xaa));
  EXPECT_EQ(*memory.ReadObject<uint64_t>(GuestAddress{0x3ff8}), 0u);
  EXPECT_EQ(*memory.ReadObject<uint64_t>(GuestAddress{0x5000}), 0u);
  EXPECT_FALSE(memory.regions()[1].dirty->IsDirty(0));
}

TEST_P(GuestMemoryTest, OutOfRangeNamesTheRange) {
  GuestMemory memory = Make(AdjoiningAndHole());

  EXPECT_THAT(memory.ReadObject<uint32_t>(GuestAddress{0x4ffe}).status().message(),
              HasSubstr("0x4ffe + 0x4"));
}

TEST_P(GuestMemoryTest, AddressesThatWrapAreOutOfRange) {
  GuestMemory memory = Make({{GuestAddress{0}, kPage}});

  EXPECT_FALSE(memory.ReadObject<uint64_t>(GuestAddress{UINT64_MAX - 3}).ok());
  EXPECT_FALSE(memory.Contains(GuestAddress{UINT64_MAX}, 2));
  EXPECT_FALSE(memory.Contains(GuestAddress{1}, UINT64_MAX));
  EXPECT_FALSE(memory.Slices(GuestAddress{8}, UINT64_MAX - 7).ok());
}

TEST_P(GuestMemoryTest, ContainsKnowsEdgesAndHoles) {
  GuestMemory memory = Make(AdjoiningAndHole());

  EXPECT_TRUE(memory.Contains(GuestAddress{0x1000}, 3 * kPage));
  EXPECT_FALSE(memory.Contains(GuestAddress{0xfff}, 2));
  EXPECT_FALSE(memory.Contains(GuestAddress{0x1000}, 3 * kPage + 1));
  EXPECT_FALSE(memory.Contains(GuestAddress{0x1000}, 5 * kPage));
  EXPECT_FALSE(memory.Contains(GuestAddress{0x6000}, 1));
}

TEST_P(GuestMemoryTest, EmptyAccessSucceedsAnywhere) {
  GuestMemory memory = Make({{GuestAddress{0}, kPage}});

  EXPECT_TRUE(memory.Contains(GuestAddress{UINT64_MAX}, 0));
  EXPECT_TRUE(memory.Read(GuestAddress{UINT64_MAX}, {}).ok());
  EXPECT_TRUE(memory.Write(GuestAddress{0x5000}, {}).ok());
  EXPECT_THAT(*memory.Slices(GuestAddress{0x5000}, 0), SizeIs(0));
}

TEST_P(GuestMemoryTest, WritesMarkTheirPagesDirty) {
  GuestMemory memory = Make(AdjoiningAndHole(), /*track_dirty=*/true);

  ASSERT_TRUE(memory.WriteObject<uint32_t>(GuestAddress{0x2ffe}, 1).ok());
  ASSERT_TRUE(memory.Fill(GuestAddress{0x5fff}, 1, 1).ok());

  EXPECT_THAT(memory.regions()[0].dirty->Take(), ElementsAre(0b10));
  EXPECT_THAT(memory.regions()[1].dirty->Take(), ElementsAre(0b1));
  EXPECT_THAT(memory.regions()[2].dirty->Take(), ElementsAre(0b1));
}

TEST_P(GuestMemoryTest, ReadsMarkNothing) {
  GuestMemory memory = Make({{GuestAddress{0}, kPage}}, /*track_dirty=*/true);

  EXPECT_EQ(*memory.ReadObject<uint64_t>(GuestAddress{0}), 0u);
  EXPECT_TRUE(memory.Slices(GuestAddress{0}, kPage).ok());

  EXPECT_FALSE(memory.regions()[0].dirty->IsDirty(0));
}

TEST_P(GuestMemoryTest, MarkDirtyIsForWhatSystemCallsWrote) {
  GuestMemory memory = Make(AdjoiningAndHole(), /*track_dirty=*/true);

  memory.MarkDirty(GuestAddress{0x2000}, 2 * kPage);
  memory.MarkDirty(GuestAddress{0x4000}, 1);

  EXPECT_THAT(memory.regions()[0].dirty->Take(), ElementsAre(0b10));
  EXPECT_THAT(memory.regions()[1].dirty->Take(), ElementsAre(0b1));
  EXPECT_THAT(memory.regions()[2].dirty->Take(), ElementsAre(0));
}

TEST_P(GuestMemoryTest, SlicesPointAtTheHostBytesOfEachRegion) {
  GuestMemory memory = Make(AdjoiningAndHole());

  absl::StatusOr<GuestMemory::SliceList> slices = memory.Slices(GuestAddress{0x2800}, 0x1000);

  ASSERT_TRUE(slices.ok());
  ASSERT_THAT(*slices, SizeIs(2));
  EXPECT_EQ((*slices)[0].iov_base, memory.regions()[0].host + 0x1800);
  EXPECT_EQ((*slices)[0].iov_len, 0x800u);
  EXPECT_EQ((*slices)[1].iov_base, memory.regions()[1].host);
  EXPECT_EQ((*slices)[1].iov_len, 0x800u);
}

TEST_P(GuestMemoryTest, RegionsAreSortedAndAlignedLikeTheGuestSeesThem) {
  GuestMemory memory = Make(
      {{GuestAddress{4 * kMiB}, 3 * kMiB}, {GuestAddress{kMiB}, kMiB}, {GuestAddress{0}, kPage}});

  ASSERT_THAT(memory.regions(), SizeIs(3));
  EXPECT_EQ(memory.total_size(), 4 * kMiB + kPage);
  for (const GuestMemory::Region& region : memory.regions()) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(region.host) % kHugePage, Raw(region.start) % kHugePage);
    EXPECT_EQ(region.dirty, nullptr);
  }
  EXPECT_EQ(Raw(memory.regions()[0].start), 0u);
  EXPECT_EQ(Raw(memory.regions()[2].start), 4 * kMiB);
}

// Whether the mapping that holds `address` is advised to use huge pages (proc(5), VmFlags).
bool AdvisesHugePages(const uint8_t* address) {
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t start, end;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &start, &end) == 2) {
      inside = start <= wanted && wanted < end;
    } else if (inside && line.starts_with("VmFlags:")) {
      return line.find(" hg") != std::string::npos;
    }
  }
  return false;
}

TEST(GuestMemoryAdviceTest, HugePagesFromAnAddressOn) {
  if (access("/sys/kernel/mm/transparent_hugepage", F_OK) != 0) GTEST_SKIP() << "no huge pages";
  const GuestMemory memory =
      Map({{GuestAddress{0}, 4 * kMiB}, {GuestAddress{8 * kMiB}, 2 * kMiB}}, {.huge_pages = false});
  const uint8_t* const low = memory.regions()[0].host;

  memory.AdviseHugePages(GuestAddress{kHugePage});

  EXPECT_FALSE(AdvisesHugePages(low));
  EXPECT_FALSE(AdvisesHugePages(low + kHugePage - 1));
  EXPECT_TRUE(AdvisesHugePages(low + kHugePage));
  EXPECT_TRUE(AdvisesHugePages(memory.regions()[1].host));
}

TEST(GuestMemoryAdviceTest, FromAHoleOnOnlyWhatIsAboveIt) {
  if (access("/sys/kernel/mm/transparent_hugepage", F_OK) != 0) GTEST_SKIP() << "no huge pages";
  const GuestMemory memory =
      Map({{GuestAddress{0}, 4 * kMiB}, {GuestAddress{8 * kMiB}, 2 * kMiB}}, {.huge_pages = false});

  memory.AdviseHugePages(GuestAddress{6 * kMiB});

  EXPECT_FALSE(AdvisesHugePages(memory.regions()[0].host));
  EXPECT_TRUE(AdvisesHugePages(memory.regions()[1].host));
}

TEST_P(GuestMemoryTest, CopiesShareTheMemoryAndKeepItMapped) {
  GuestMemory copy;
  {
    GuestMemory memory = Make({{GuestAddress{0}, kPage}});
    ASSERT_TRUE(memory.WriteObject<uint16_t>(GuestAddress{8}, 0x1234).ok());
    copy = memory;
  }

  EXPECT_EQ(*copy.ReadObject<uint16_t>(GuestAddress{8}), 0x1234);
}

TEST_P(GuestMemoryTest, LargeMemoryIsSparse) {
  constexpr uint64_t kSize = uint64_t{5} << 30;
  GuestMemory memory = Make({{GuestAddress{0}, kSize}}, /*track_dirty=*/true);

  ASSERT_TRUE(memory.WriteObject<uint64_t>(GuestAddress{kSize - 8}, 42).ok());

  EXPECT_EQ(*memory.ReadObject<uint64_t>(GuestAddress{kSize - 8}), 42u);
  EXPECT_TRUE(memory.regions()[0].dirty->IsDirty(kSize - 1));
  EXPECT_FALSE(memory.ReadObject<uint64_t>(GuestAddress{kSize - 7}).ok());
}

TEST_P(GuestMemoryTest, AbsurdSizeIsACleanError) {
  const Spec petabyte{GuestAddress{0}, uint64_t{1} << 50};

  const absl::Status status =
      GuestMemory::Create({petabyte}, {.backing = GetParam(), .track_dirty = true}).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("0x4000000000000"));
}

TEST_P(GuestMemoryTest, ReadFromFdFillsAcrossRegions) {
  GuestMemory memory = Make(AdjoiningAndHole(), /*track_dirty=*/true);
  ScopedFd file(memfd_create("file", MFD_CLOEXEC));
  const std::vector<uint8_t> content = Pattern(0x1000);
  ASSERT_EQ(write(file.get(), content.data(), content.size()), 0x1000);

  ASSERT_TRUE(memory.ReadFromFd(file.get(), 1, GuestAddress{0x2f00}, 0xfff).ok());

  EXPECT_EQ(*memory.ReadObject<uint8_t>(GuestAddress{0x2eff}), 0);
  EXPECT_EQ(*memory.ReadObject<uint8_t>(GuestAddress{0x2f00}), 2);
  EXPECT_EQ(*memory.ReadObject<uint8_t>(GuestAddress{0x3000}), content[0x101]);
  EXPECT_EQ(*memory.ReadObject<uint8_t>(GuestAddress{0x3efe}), content[0xfff]);
  EXPECT_THAT(memory.regions()[0].dirty->Take(), ElementsAre(0b10));
  EXPECT_THAT(memory.regions()[1].dirty->Take(), ElementsAre(0b1));
}

TEST_P(GuestMemoryTest, ReadFromFdShortFileIsDataLoss) {
  GuestMemory memory = Make({{GuestAddress{0}, 4 * kPage}}, /*track_dirty=*/true);
  ScopedFd file(memfd_create("file", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(file.get(), kPage + 10), 0);

  const absl::Status status = memory.ReadFromFd(file.get(), 0, GuestAddress{0}, 3 * kPage);

  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("ends at 4106, 8182 bytes short"));
  EXPECT_THAT(memory.regions()[0].dirty->Take(), ElementsAre(0b11));
}

TEST_P(GuestMemoryTest, ReadFromFdReportsWhatTheHostSays) {
  GuestMemory memory = Make({{GuestAddress{0}, kPage}});
  ScopedFd directory(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

  EXPECT_THAT(memory.ReadFromFd(directory.get(), 0, GuestAddress{0}, 1).message(),
              HasSubstr("directory"));
  EXPECT_EQ(memory.ReadFromFd(directory.get(), INT64_MAX, GuestAddress{0}, 1).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(memory.ReadFromFd(directory.get(), 0, GuestAddress{kPage}, 1).code(),
            absl::StatusCode::kOutOfRange);
}

// Run under ThreadSanitizer this shows that racing with the guest is no reported race.
TEST_P(GuestMemoryTest, AccessesMayRace) {
  GuestMemory memory = Make({{GuestAddress{0}, kPage}});
  std::atomic<bool> stop{false};
  std::thread guest([&memory, &stop] {
    const std::vector<uint8_t> ones(200, 1);
    while (!stop.load(std::memory_order_relaxed)) {
      memory.Write(GuestAddress{3}, ones).IgnoreError();
      memory.Fill(GuestAddress{3}, 200, 2).IgnoreError();
      memory.WriteObject<uint32_t>(GuestAddress{16}, 0x01010101).IgnoreError();
    }
  });

  std::vector<uint8_t> seen(200);
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(memory.Read(GuestAddress{3}, absl::MakeSpan(seen)).ok());
  }
  stop.store(true, std::memory_order_relaxed);
  guest.join();

  EXPECT_THAT(seen, Each(testing::Le(2)));
}

TEST(GuestMemoryCreateTest, RefusesRegionsThatMakeNoSense) {
  EXPECT_EQ(CreateCode({{GuestAddress{0}, 0}}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CreateCode({{GuestAddress{1}, kPage}}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CreateCode({{GuestAddress{0}, kPage - 1}}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CreateCode({{GuestAddress{kPage}, kPage}, {GuestAddress{0}, 2 * kPage}}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CreateCode({{GuestAddress{(uint64_t{1} << 52) - kPage}, 2 * kPage}}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CreateCode({{GuestAddress{UINT64_MAX - kPage + 1}, kPage}}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CreateCode({{GuestAddress{kPage}, UINT64_MAX - kPage + 1}}),
            absl::StatusCode::kInvalidArgument);
}

TEST(GuestMemoryCreateTest, ErrorsNameTheRegionAndTheReason) {
  const absl::Status status =
      GuestMemory::Create({{{GuestAddress{0x1000}, 2 * kPage}, {GuestAddress{0x2000}, kPage}}}, {})
          .status();

  EXPECT_EQ(status.message(), "guest memory region 0x2000 + 0x1000 overlaps another");
}

TEST(GuestMemoryCreateTest, LastPageOfAddressSpaceWorks) {
  GuestMemory memory = Map({{GuestAddress{(uint64_t{1} << 52) - kPage}, kPage}});

  EXPECT_TRUE(memory.WriteObject<uint64_t>(GuestAddress{(uint64_t{1} << 52) - 8}, 1).ok());
  EXPECT_FALSE(memory.WriteObject<uint64_t>(GuestAddress{(uint64_t{1} << 52) - 4}, 1).ok());
}

TEST(GuestMemoryCreateTest, NoMemoryAtAll) {
  GuestMemory memory;

  EXPECT_EQ(memory.total_size(), 0u);
  EXPECT_THAT(memory.regions(), SizeIs(0));
  EXPECT_EQ(memory.ReadObject<uint8_t>(GuestAddress{0}).status().code(),
            absl::StatusCode::kOutOfRange);
}

TEST(GuestMemoryMemfdTest, AnonymousMemoryHasNoFile) {
  GuestMemory memory = Map({{GuestAddress{0}, kPage}});

  EXPECT_EQ(memory.regions()[0].fd, -1);
}

TEST(GuestMemoryMemfdTest, FileHoldsTheRegionsAtTheirOffsets) {
  GuestMemory memory =
      Map({{GuestAddress{0}, kPage}, {GuestAddress{kMiB}, kMiB}, {GuestAddress{4 * kMiB}, kMiB}},
          {.backing = Backing::kMemfd});

  for (const GuestMemory::Region& region : memory.regions()) {
    EXPECT_EQ(region.file_offset % kHugePage, Raw(region.start) % kHugePage);
    EXPECT_EQ(region.fd, memory.regions()[0].fd);
    ASSERT_TRUE(memory.WriteObject<uint64_t>(region.start + 8, Raw(region.start) + 5).ok());
  }
  for (const GuestMemory::Region& region : memory.regions()) {
    uint64_t value = 0;
    ASSERT_EQ(pread(region.fd, &value, 8, static_cast<off_t>(region.file_offset) + 8), 8);
    EXPECT_EQ(value, Raw(region.start) + 5);
  }
}

TEST(GuestMemoryMemfdTest, PeersCannotResizeTheFile) {
  GuestMemory memory = Map({{GuestAddress{0}, kPage}}, {.backing = Backing::kMemfd});
  const int fd = memory.regions()[0].fd;

  EXPECT_EQ(ftruncate(fd, 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(ftruncate(fd, kHugePage), -1);
  EXPECT_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
  EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

TEST(GuestAtomicTest, StoresAreSeenAsGuestBytesAndMarkDirty) {
  GuestMemory memory = Map({{GuestAddress{0x1000}, 2 * kPage}}, {.track_dirty = true});
  absl::StatusOr<GuestAtomic<uint16_t>> index =
      GuestAtomic<uint16_t>::Create(memory, GuestAddress{0x2002});
  ASSERT_TRUE(index.ok());

  index->Store(0x1234, std::memory_order_release);

  EXPECT_EQ(memory.ReadObject<Le16>(GuestAddress{0x2002})->get(), 0x1234);
  EXPECT_EQ(index->Load(std::memory_order_acquire), 0x1234);
  EXPECT_THAT(memory.regions()[0].dirty->Take(), ElementsAre(0b10));
}

TEST(GuestAtomicTest, RefusesUnalignedAddressesAndHoles) {
  GuestMemory memory = Map({{GuestAddress{0x1000}, kPage}});

  EXPECT_EQ(GuestAtomic<uint16_t>::Create(memory, GuestAddress{0x1001}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(GuestAtomic<uint64_t>::Create(memory, GuestAddress{0x1004}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(GuestAtomic<uint32_t>::Create(memory, GuestAddress{0x2000}).status().code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(GuestAtomic<uint32_t>::Create(memory, GuestAddress{UINT64_MAX - 3}).status().code(),
            absl::StatusCode::kOutOfRange);
}

TEST(GuestAtomicTest, KeepsTheMemoryMapped) {
  absl::StatusOr<GuestAtomic<uint32_t>> word =
      GuestAtomic<uint32_t>::Create(Map({{GuestAddress{0}, kPage}}), GuestAddress{4});
  ASSERT_TRUE(word.ok());

  word->Store(7, std::memory_order_relaxed);

  EXPECT_EQ(word->Load(std::memory_order_relaxed), 7u);
}

TEST(GuestAtomicTest, ReleaseAndAcquireOrderOtherAccesses) {
  GuestMemory memory = Map({{GuestAddress{0}, kPage}});
  const auto index = GuestAtomic<uint16_t>::Create(memory, GuestAddress{0}).value();
  std::thread driver([&memory, &index] {
    memory.WriteObject<uint64_t>(GuestAddress{64}, 99).IgnoreError();
    index.Store(1, std::memory_order_release);  // publishes the write above
  });

  while (index.Load(std::memory_order_acquire) == 0) std::this_thread::yield();
  const absl::StatusOr<uint64_t> seen = memory.ReadObject<uint64_t>(GuestAddress{64});
  driver.join();

  EXPECT_EQ(*seen, 99u);
}

TEST(GuestMemoryFileTest, RegionMayBeAFile) {
  const ScopedFd file(memfd_create("file", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(file.get(), 3 * 4096), 0);
  ASSERT_EQ(pwrite(file.get(), "b", 1, 4096), 1);

  const absl::StatusOr<GuestMemory> memory = GuestMemory::Create(
      {{GuestAddress{0}, 4096},
       {.start = GuestAddress{0x10000}, .size = 8192, .file_offset = 4096, .fd = file.get()}},
      {});

  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_EQ(*memory->ReadObject<char>(GuestAddress{0x10000}), 'b');
  EXPECT_TRUE(memory->WriteObject(GuestAddress{0x11FFF}, 'z').ok());
  char last = 0;
  EXPECT_EQ(pread(file.get(), &last, 1, 3 * 4096 - 1), 1);
  EXPECT_EQ(last, 'z');
  // Its own, which others can map too.
  EXPECT_GE(memory->regions()[1].fd, 0);
  EXPECT_NE(memory->regions()[1].fd, file.get());
  EXPECT_EQ(memory->regions()[1].file_offset, 4096u);
}

}  // namespace
}  // namespace touchstone
