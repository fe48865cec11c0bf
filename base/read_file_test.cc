#include "base/read_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// A file of `size` letters x, by the path of its descriptor.
class ReadFileTest : public testing::Test {
 protected:
  std::string FileOf(size_t size) {
    fd_.Reset(memfd_create("file", MFD_CLOEXEC));
    const std::string text(size, 'x');
    EXPECT_EQ(pwrite(fd_.get(), text.data(), size, 0), static_cast<ssize_t>(size));
    return absl::StrCat("/proc/self/fd/", fd_.get());
  }

  ScopedFd fd_;
};

TEST_F(ReadFileTest, GivesAllBytes) {
  EXPECT_THAT(ReadFile(FileOf(10000), 20000).value(), ::testing::AllOf(SizeIs(10000), Each('x')));
}

TEST_F(ReadFileTest, EmptyFileIsEmpty) { EXPECT_THAT(ReadFile(FileOf(0), 10).value(), IsEmpty()); }

TEST_F(ReadFileTest, LimitItselfIsAccepted) {
  EXPECT_THAT(ReadFile(FileOf(64), 64).value(), SizeIs(64));
}

TEST_F(ReadFileTest, MoreThanTheLimitIsRefused) {
  const std::string path = FileOf(65);

  const absl::Status status = ReadFile(path, 64).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(),
            absl::StrCat(path, " has more than 64 bytes, the most that is accepted"));
}

TEST_F(ReadFileTest, FileWithoutASizeIsReadToItsEnd) {
  EXPECT_THAT(ReadFile("/proc/self/maps", 1 << 20).value(), Not(IsEmpty()));
}

TEST_F(ReadFileTest, PipeIsReadToItsEnd) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const ScopedFd reader(ends[0]);
  ScopedFd writer(ends[1]);
  ASSERT_EQ(write(writer.get(), "abc", 3), 3);
  writer.Reset();

  EXPECT_THAT(ReadFile(absl::StrCat("/proc/self/fd/", reader.get()), 16).value(),
              ElementsAre('a', 'b', 'c'));
}

TEST_F(ReadFileTest, EndlessFileEndsAtTheLimit) {
  EXPECT_EQ(ReadFile("/dev/zero", 100000).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(ReadFileTest, ErrorsNameThePath) {
  EXPECT_THAT(std::string(ReadFile("/no/such/file", 10).status().message()),
              HasSubstr("/no/such/file"));
  EXPECT_THAT(std::string(ReadFile("/proc", 10).status().message()), HasSubstr("read of /proc"));
}

}  // namespace
}  // namespace touchstone
