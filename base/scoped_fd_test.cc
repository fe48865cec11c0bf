#include "base/scoped_fd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

ScopedFd SomeFile() { return ScopedFd(memfd_create("file", MFD_CLOEXEC)); }

TEST(ScopedFdTest, NoneByDefault) {
  const ScopedFd none;

  EXPECT_FALSE(none.valid());
  EXPECT_EQ(none.get(), -1);
  EXPECT_FALSE(none.Duplicate().ok());
}

TEST(ScopedFdTest, ClosesWhatItOwns) {
  int number;
  {
    const ScopedFd file = SomeFile();
    number = file.get();
    ASSERT_TRUE(IsOpen(number));
  }

  EXPECT_FALSE(IsOpen(number));
}

TEST(ScopedFdTest, MovesOwnership) {
  ScopedFd from = SomeFile();
  const int number = from.get();
  ScopedFd to = SomeFile();
  const int replaced = to.get();

  to = std::move(from);

  EXPECT_EQ(to.get(), number);
  EXPECT_TRUE(IsOpen(number));
  EXPECT_FALSE(IsOpen(replaced));
}

TEST(ScopedFdTest, ReleaseGivesItAway) {
  ScopedFd file = SomeFile();
  const int number = file.Release();

  EXPECT_FALSE(file.valid());
  EXPECT_TRUE(IsOpen(number));
  close(number);
}

TEST(ScopedFdTest, ResetTakesAnother) {
  ScopedFd file = SomeFile();
  const int first = file.get();
  const int second = SomeFile().Release();

  file.Reset(second);
  EXPECT_FALSE(IsOpen(first));
  EXPECT_EQ(file.get(), second);
  file.Reset();

  EXPECT_FALSE(IsOpen(second));
}

TEST(ScopedFdTest, DuplicateSharesTheOpenFile) {
  const ScopedFd file = SomeFile();

  const ScopedFd copy = file.Duplicate().value();
  ASSERT_EQ(write(file.get(), "abc", 3), 3);

  EXPECT_NE(copy.get(), file.get());
  EXPECT_EQ(lseek(copy.get(), 0, SEEK_CUR), 3);
  EXPECT_EQ(fcntl(copy.get(), F_GETFD), FD_CLOEXEC);
}

TEST(OpenFileTest, OpensCloseOnExecWithTheMode) {
  const std::string path = testing::TempDir() + "/scoped_fd_test_new";
  unlink(path.c_str());

  const ScopedFd file = OpenFile(path, O_RDWR | O_CREAT | O_EXCL, 0640).value();

  struct stat status;
  ASSERT_EQ(fstat(file.get(), &status), 0);
  EXPECT_EQ(status.st_mode & 0707, 0600u);
  EXPECT_EQ(fcntl(file.get(), F_GETFD), FD_CLOEXEC);
  unlink(path.c_str());
}

TEST(OpenFileTest, ErrorsNameThePathAndTheReason) {
  const absl::Status status = OpenFile("/no/such/file", O_RDONLY).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("open /no/such/file: No such file"));
}

TEST(OpenFileTest, InheritedDescriptorIsDuplicatedNotReopened) {
  const ScopedFd file = SomeFile();
  ASSERT_EQ(write(file.get(), "abc", 3), 3);

  const ScopedFd copy =
      OpenFile(absl::StrCat("/proc/self/fd/", file.get()), O_RDONLY | O_TRUNC).value();

  EXPECT_NE(copy.get(), file.get());
  EXPECT_EQ(lseek(copy.get(), 0, SEEK_CUR), 3);
  EXPECT_EQ(lseek(copy.get(), 0, SEEK_END), 3);
  EXPECT_EQ(fcntl(copy.get(), F_GETFL) & O_ACCMODE, O_RDWR);
  EXPECT_EQ(fcntl(copy.get(), F_GETFD), FD_CLOEXEC);
}

TEST(OpenFileTest, InheritedDescriptorThatIsNotThere) {
  EXPECT_THAT(OpenFile("/proc/self/fd/999999", O_RDONLY).status().message(),
              HasSubstr("inherited descriptor /proc/self/fd/999999"));
  EXPECT_FALSE(OpenFile("/proc/self/fd/-1", O_RDONLY).ok());
  EXPECT_FALSE(OpenFile("/proc/self/fd/0x1", O_RDONLY).ok());
  EXPECT_FALSE(OpenFile("/proc/self/fd/99999999999999999999", O_RDONLY).ok());
}

}  // namespace
}  // namespace touchstone
