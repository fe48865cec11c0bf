#include "vmm/machine/file_mappings.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr uint32_t kSize = 0x10000;

// A machine with a store in a file of its own.
class FileMappingsTest : public testing::Test {
 protected:
  FileMappingsTest()
      : path_(absl::StrCat(testing::TempDir(), "/",
                           testing::UnitTest::GetInstance()->current_test_info()->name())) {
    unlink(path_.c_str());
    config_.mutable_pstore()->set_path(path_);
    config_.mutable_pstore()->set_size(kSize);
  }
  absl::StatusOr<std::vector<FileMapping>> Open() {
    return OpenFileMappings(
        config_, MemoryLayout::Plan({.ram_size = 64 * kMiB, .pstore_size = kSize}).value());
  }
  std::string Contents() {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  const std::string path_;
  RunConfig config_;
};

TEST_F(FileMappingsTest, MachineWithoutThemHasNone) {
  config_.clear_pstore();

  EXPECT_THAT(Open().value(), IsEmpty());
}

TEST_F(FileMappingsTest, StoreIsMadeOfZeros) {
  const std::vector<FileMapping> mappings = Open().value();

  ASSERT_THAT(mappings, SizeIs(1));
  EXPECT_EQ(mappings[0].start, kFourGiB);
  EXPECT_EQ(mappings[0].file.size(), kSize);
  EXPECT_FALSE(mappings[0].read_only);
  EXPECT_EQ(Contents(), std::string(kSize, '\0'));
}

TEST_F(FileMappingsTest, StoreKeepsWhatIsThere) {
  std::ofstream(path_, std::ios::binary) << "log";

  const std::vector<FileMapping> mappings = Open().value();

  EXPECT_THAT(Contents(), AllOf(SizeIs(kSize), StartsWith("log")));
}

TEST_F(FileMappingsTest, LongerFileIsNotCut) {
  std::ofstream(path_, std::ios::binary) << std::string(kSize + 5, 'x');

  const std::vector<FileMapping> mappings = Open().value();

  EXPECT_THAT(Contents(), SizeIs(kSize + 5));
}

TEST_F(FileMappingsTest, WritesReachTheFile) {
  const std::vector<FileMapping> mappings = Open().value();
  memcpy(mappings[0].file.host(), "crash", 5);

  EXPECT_THAT(Contents(), StartsWith("crash"));
}

TEST_F(FileMappingsTest, ErrorsNameOptionAndFile) {
  config_.mutable_pstore()->set_path("/no/such/folder/store");
  EXPECT_THAT(std::string(Open().status().message()),
              AllOf(StartsWith("--pstore: "), HasSubstr("/no/such/folder/store")));

  config_.mutable_pstore()->set_path("/dev/null");
  EXPECT_EQ(Open().status().message(), "--pstore: /dev/null: is not a regular file");
}

// A machine that sees a file of two pages, of letters a and b, at 3 GiB.
class FileBackedTest : public FileMappingsTest {
 protected:
  FileBackedTest() : mapping_(*config_.add_file_backed_mapping()) {
    config_.clear_pstore();
    std::ofstream(path_, std::ios::binary) << std::string(4096, 'a') + std::string(4096, 'b');
    mapping_.set_path(path_);
    mapping_.set_addr(3 * kGiB);
    mapping_.set_size(4096);
  }

  FileBackedMappingConfig& mapping_;
};

TEST_F(FileBackedTest, IsReadOnlyUnlessToldOtherwise) {
  mapping_.set_offset(4096);

  const std::vector<FileMapping> mappings = Open().value();

  ASSERT_THAT(mappings, SizeIs(1));
  EXPECT_EQ(mappings[0].start, GuestAddress{3 * kGiB});
  EXPECT_TRUE(mappings[0].read_only);
  EXPECT_EQ(*static_cast<const char*>(mappings[0].file.host()), 'b');
}

TEST_F(FileBackedTest, WritableOneReachesTheFile) {
  mapping_.set_rw(true);
  mapping_.set_sync(true);

  const std::vector<FileMapping> mappings = Open().value();
  memcpy(mappings[0].file.host(), "guest", 5);

  EXPECT_FALSE(mappings[0].read_only);
  EXPECT_THAT(Contents(), StartsWith("guesta"));
}

TEST_F(FileBackedTest, AlignRoundsOutwards) {
  mapping_.set_addr(3 * kGiB + 4095);
  mapping_.set_size(2);
  mapping_.set_align(true);

  EXPECT_THAT(FileMappingRanges(config_),
              ::testing::ElementsAre(MemoryRange{GuestAddress{3 * kGiB}, 8192}));
  EXPECT_EQ(Open().value()[0].file.size(), 8192u);
}

TEST_F(FileBackedTest, FileThatIsTooShortIsRefused) {
  mapping_.set_offset(4096);
  mapping_.set_size(8192);

  EXPECT_EQ(Open().status().message(),
            absl::StrCat("--file-backed-mapping: ", path_,
                         ": has 8192 bytes, offset= and size= reach to 12288"));
}

TEST_F(FileBackedTest, FileThatIsNotThereIsRefused) {
  mapping_.set_path("/no/such/file");

  EXPECT_EQ(Open().status().message(),
            "--file-backed-mapping: open /no/such/file: No such file or directory");
}

}  // namespace
}  // namespace touchstone
