// Memory on its way to files and back.

#include "vmm/snapshot/snapshot.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/snapshot/container.h"
#include "vmm/snapshot/memory_writer.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

using Backing = GuestMemory::Backing;

constexpr uint64_t kChunk = MemoryMap::kChunkSize;
constexpr uint64_t kPage = kGuestPageSize;
constexpr GuestAddress kHigh{uint64_t{1} << 32};

struct Case {
  bool compressed;
  Backing from;
  Backing to;
};

GuestMemory Make(Backing backing) {
  return GuestMemory::Create({{GuestAddress{0}, 5 * kChunk}, {kHigh, kChunk + 3 * kPage}},
                             {.backing = backing})
      .value();
}

// Noise in some pages, so that frames are neither empty nor tiny.
void Fill(const GuestMemory& memory) {
  uint64_t random = 1;
  const auto write_page = [&](GuestAddress page) {
    for (uint64_t i = 0; i < kPage; i += 8) {
      random = random * 6364136223846793005 + 1442695040888963407;
      ASSERT_TRUE(memory.WriteObject<uint64_t>(page + i, random).ok());
    }
  };
  for (const uint64_t page : {0, 1, 7, 511, 512, 1030, 2559}) {
    write_page(GuestAddress{page * kPage});
  }
  write_page(kHigh + kChunk + 2 * kPage);
  ASSERT_TRUE(memory.Fill(GuestAddress{3 * kChunk}, kChunk / 2, 0x5A).ok());
}

std::vector<uint8_t> BytesOf(const GuestMemory& memory) {
  std::vector<uint8_t> bytes(memory.total_size());
  uint64_t at = 0;
  for (const GuestMemory::Region& region : memory.regions()) {
    EXPECT_TRUE(memory.Read(region.start, absl::MakeSpan(&bytes[at], region.size)).ok());
    at += region.size;
  }
  return bytes;
}

void WriteFile(int fd, const std::string& bytes) {
  ASSERT_EQ(ftruncate(fd, 0), 0);
  ASSERT_EQ(pwrite(fd, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
}

class Folder {
 public:
  Folder() {
    std::string path = absl::StrCat(testing::TempDir(), "/snapshot.XXXXXX");
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    path_ = path;
    machine_ = ScopedFd(open((path_ + "/machine").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    memory_ = ScopedFd(open((path_ + "/memory").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  }
  ~Folder() {
    unlink((path_ + "/machine").c_str());
    unlink((path_ + "/memory").c_str());
    rmdir(path_.c_str());
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  void Save(const GuestMemory& memory, bool compressed) {
    absl::StatusOr<MemoryWriter> writer = MemoryWriter::Create(memory, memory_.get(), compressed);
    ASSERT_TRUE(writer.ok()) << writer.status();
    while (!writer->done()) ASSERT_TRUE(writer->WriteSome().ok());
    EXPECT_EQ(writer->bytes_done(), memory.total_size());
    map_ = writer->map().Serialize();
    WriteFile(machine_.get(), EncodeContainer({"state", map_}));
  }
  absl::StatusOr<Snapshot> Open() const { return Snapshot::Open(path_); }
  std::string OpenError() const {
    const absl::StatusOr<Snapshot> snapshot = Open();
    return snapshot.ok() ? "" : std::string(snapshot.status().message());
  }
  // Bytes of disk space.
  uint64_t DataSize() const {
    struct stat status = {};
    EXPECT_EQ(fstat(memory_.get(), &status), 0);
    return static_cast<uint64_t>(status.st_blocks) * 512;
  }

  const std::string& path() const { return path_; }
  int machine() const { return machine_.get(); }
  int memory() const { return memory_.get(); }
  const std::string& map() const { return map_; }

 private:
  std::string path_;
  ScopedFd machine_;
  ScopedFd memory_;
  std::string map_;
};

class SnapshotTest : public testing::TestWithParam<Case> {};

TEST_P(SnapshotTest, MemoryComesBack) {
  const GuestMemory memory = Make(GetParam().from);
  Fill(memory);
  Folder folder;
  folder.Save(memory, GetParam().compressed);
  const GuestMemory again = Make(GetParam().to);

  const absl::StatusOr<Snapshot> snapshot = folder.Open();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  const absl::StatusOr<RestoredMemory> restored = RestoreMemory(*snapshot, again);

  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(snapshot->machine(), "state");
  EXPECT_TRUE(BytesOf(again) == BytesOf(memory));
  EXPECT_TRUE(CheckMemory(*snapshot).ok());
}

TEST_P(SnapshotTest, ZerosTakeNoSpace) {
  const GuestMemory memory = Make(GetParam().from);
  ASSERT_TRUE(memory.WriteObject<uint8_t>(GuestAddress{kChunk + 5 * kPage}, 1).ok());
  ASSERT_TRUE(memory.Fill(GuestAddress{3 * kChunk}, kChunk, 0).ok());
  Folder folder;
  folder.Save(memory, GetParam().compressed);
  const GuestMemory again = Make(GetParam().to);
  const auto restored = RestoreMemory(folder.Open().value(), again);

  EXPECT_LE(folder.DataSize(), 64u << 10);
  EXPECT_EQ(again.ReadObject<uint8_t>(GuestAddress{kChunk + 5 * kPage}).value(), 1);
}

TEST_P(SnapshotTest, WhatIsWrittenLaterStaysOutOfTheFile) {
  const GuestMemory memory = Make(GetParam().from);
  Fill(memory);
  Folder folder;
  folder.Save(memory, GetParam().compressed);
  const GuestMemory again = Make(GetParam().to);
  const auto restored = RestoreMemory(folder.Open().value(), again);
  ASSERT_TRUE(restored.ok()) << restored.status();

  ASSERT_TRUE(again.Fill(GuestAddress{0}, 5 * kChunk, 0xEE).ok());

  EXPECT_TRUE(CheckMemory(folder.Open().value()).ok());
}

TEST_P(SnapshotTest, OtherMemoryIsRefused) {
  Folder folder;
  folder.Save(Make(GetParam().from), GetParam().compressed);
  const GuestMemory other =
      GuestMemory::Create({{GuestAddress{0}, kChunk}}, {.backing = GetParam().to}).value();

  EXPECT_THAT(RestoreMemory(folder.Open().value(), other).status().message(),
              HasSubstr("that of this one is 0 + 0x200000"));
}

INSTANTIATE_TEST_SUITE_P(All, SnapshotTest,
                         testing::Values(Case{false, Backing::kAnonymous, Backing::kAnonymous},
                                         Case{false, Backing::kMemfd, Backing::kAnonymous},
                                         Case{false, Backing::kAnonymous, Backing::kMemfd},
                                         Case{false, Backing::kMemfd, Backing::kMemfd},
                                         Case{true, Backing::kAnonymous, Backing::kAnonymous},
                                         Case{true, Backing::kMemfd, Backing::kMemfd}));

// A machine that was restored can be saved again.
TEST(SnapshotAgainTest, MappedMemoryIsSaved) {
  const GuestMemory memory = Make(Backing::kAnonymous);
  Fill(memory);
  Folder first, second;
  first.Save(memory, false);
  const GuestMemory again = Make(Backing::kAnonymous);
  const auto restored = RestoreMemory(first.Open().value(), again);
  ASSERT_TRUE(restored.ok());
  ASSERT_TRUE(again.WriteObject<uint8_t>(GuestAddress{2 * kChunk}, 1).ok());

  second.Save(again, false);

  const GuestMemory third = Make(Backing::kMemfd);
  ASSERT_TRUE(RestoreMemory(second.Open().value(), third).ok());
  EXPECT_TRUE(BytesOf(third) == BytesOf(again));
}

class BrokenSnapshotTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    Fill(memory_);
    folder_.Save(memory_, GetParam());
  }

  GuestMemory memory_ = Make(Backing::kMemfd);
  Folder folder_;
};

// All bytes of the first page are data; a mapped restore would not look at them.
TEST_P(BrokenSnapshotTest, BrokenMemoryIsFound) {
  uint8_t byte = 0;
  ASSERT_EQ(pread(folder_.memory(), &byte, 1, 1000), 1);
  byte ^= 0x10;
  ASSERT_EQ(pwrite(folder_.memory(), &byte, 1, 1000), 1);
  const Snapshot snapshot = folder_.Open().value();

  EXPECT_THAT(CheckMemory(snapshot).message(), HasSubstr("its memory at 0 + 0x200000 is broken"));
  EXPECT_THAT(RestoreMemory(snapshot, Make(Backing::kMemfd)).status().message(),
              HasSubstr("is broken"));
}

TEST_P(BrokenSnapshotTest, AHoleInsteadOfDataIsFound) {
  ASSERT_EQ(fallocate(folder_.memory(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2 * kChunk),
            0);

  EXPECT_THAT(CheckMemory(folder_.Open().value()).message(), HasSubstr("is broken"));
}

TEST_P(BrokenSnapshotTest, AMemoryFileOfAnotherSizeIsRefused) {
  struct stat status = {};
  ASSERT_EQ(fstat(folder_.memory(), &status), 0);
  ASSERT_EQ(ftruncate(folder_.memory(), status.st_size - 1), 0);

  EXPECT_THAT(folder_.OpenError(), HasSubstr("and should have"));
}

TEST_P(BrokenSnapshotTest, AFileThatIsCutWhileItIsReadIsAnError) {
  const Snapshot snapshot = folder_.Open().value();
  ASSERT_EQ(ftruncate(folder_.memory(), 1), 0);

  EXPECT_THAT(CheckMemory(snapshot).message(), HasSubstr("is broken"));
}

TEST_P(BrokenSnapshotTest, ErrorsNameTheFile) {
  WriteFile(folder_.machine(), "short");
  EXPECT_EQ(folder_.OpenError(),
            absl::StrCat(folder_.path(), "/machine: is no whole snapshot: it ends early"));

  WriteFile(folder_.machine(), EncodeContainer({"state", "\xFF"}));
  EXPECT_EQ(folder_.OpenError(),
            absl::StrCat(folder_.path(), "/machine: the map of its memory cannot be read"));
}

INSTANTIATE_TEST_SUITE_P(Both, BrokenSnapshotTest, testing::Bool());

TEST(SnapshotFilesTest, NothingThereIsNamed) {
  EXPECT_THAT(Snapshot::Open("/nonexistent").status().message(),
              HasSubstr("/nonexistent/machine: No such file"));
}

TEST(SnapshotFilesTest, OtherThanRegularFilesAreRefusedAtOnce) {
  const Folder folder;
  ASSERT_EQ(unlink((folder.path() + "/machine").c_str()), 0);
  ASSERT_EQ(mkfifo((folder.path() + "/machine").c_str(), 0600), 0);

  EXPECT_THAT(folder.OpenError(), HasSubstr("machine: is no regular file"));
}

TEST(SnapshotFilesTest, AFullFileSystemIsAnError) {
  const ScopedFd full(open("/dev/full", O_RDWR | O_CLOEXEC));
  const GuestMemory memory = Make(Backing::kMemfd);
  Fill(memory);
  // Compressed, as the device cannot be given a size.
  MemoryWriter writer = MemoryWriter::Create(memory, full.get(), true).value();

  EXPECT_THAT(writer.WriteSome().message(),
              HasSubstr("write of guest memory: No space left on device"));
}

}  // namespace
}  // namespace touchstone
