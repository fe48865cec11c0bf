#include "vmm/cli/text_file.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

std::string Path(const char* name) { return absl::StrCat(testing::TempDir(), "/", name); }

TEST(TextFile, IsReadAsItWasWritten) {
  const std::string text = std::string(100000, 'x') + '\0' + "end\n";

  ASSERT_TRUE(WriteTextFile(Path("file"), text).ok());
  ASSERT_EQ(*ReadTextFile(Path("file")), text);
  ASSERT_TRUE(WriteTextFile(Path("file"), "short").ok());

  EXPECT_EQ(*ReadTextFile(Path("file")), "short");
}

TEST(TextFile, ErrorsNamePathAndReason) {
  EXPECT_EQ(ReadTextFile("/nonexistent/file").status().message(),
            "open /nonexistent/file: No such file or directory");
  EXPECT_EQ(ReadTextFile("/").status().message(), "read of /: Is a directory");
  EXPECT_EQ(WriteTextFile("/nonexistent/file", "x").message(),
            "open /nonexistent/file: No such file or directory");
  EXPECT_EQ(WriteTextFile("/dev/full", "x").message(), "write /dev/full: No space left on device");
}

TEST(TextFile, RefusesWhatIsTooLarge) {
  EXPECT_EQ(ReadTextFile("/dev/zero").status().message(),
            "/dev/zero has more than 4194304 bytes, the most that is accepted");
}

}  // namespace
}  // namespace touchstone
