#include "devices/platform/fw_cfg/fw_cfg_files.h"

#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/scoped_fd.h"
#include "devices/module/text_proto.h"
#include "devices/platform/fw_cfg/fw_cfg_schema.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Values of --fw-cfg from text protos.
FwCfgConfigs Values(const std::vector<std::string>& texts) {
  FwCfgConfigs configs;
  for (const std::string& text : texts) {
    EXPECT_TRUE(ReadTextProto(text, *configs.Add()).ok());
  }
  return configs;
}

std::vector<std::string> Check(const std::vector<std::string>& texts) {
  return CheckFwCfg(Values(texts));
}

TEST(FwCfgFilesTest, GoodValuesAreAccepted) {
  EXPECT_THAT(Check({}), IsEmpty());
  EXPECT_THAT(Check({"name: 'a' string: ''", "name: 'b' path: '/x'"}), IsEmpty());
  EXPECT_THAT(Check({absl::StrCat("name: '", std::string(55, 'n'), "' string: 'x'")}), IsEmpty());
}

TEST(FwCfgFilesTest, NamesThatCannotBeAreRefused) {
  EXPECT_THAT(Check({"name: '' string: 'x'"}),
              ElementsAre("--fw-cfg: name= has 0 bytes, 1 to 55 are accepted"));
  const std::string name(56, 'n');
  EXPECT_THAT(
      Check({absl::StrCat("name: '", name, "' string: 'x'")}),
      ElementsAre(absl::StrCat("--fw-cfg: name=", name, " has 56 bytes, 1 to 55 are accepted")));
  EXPECT_THAT(Check({"name: 'a' string: 'x'", "name: 'a' string: 'y'"}),
              ElementsAre("--fw-cfg: name=a is given twice"));
}

TEST(FwCfgFilesTest, ContentsAreOfExactlyOneKind) {
  EXPECT_THAT(Check({"name: 'a'"}),
              ElementsAre("--fw-cfg: name=a: one of path= and string= is needed, none is given"));
  EXPECT_THAT(Check({"name: 'a' path: '/x' string: 'y'"}),
              ElementsAre("--fw-cfg: name=a: one of path= and string= is needed, both are given"));
}

TEST(FwCfgFilesTest, MoreThanTheDirectoryHasNumbersForAreRefused) {
  FwCfgConfigs configs;
  for (size_t i = 0; i <= FwCfg::kMostFiles; ++i) {
    FwCfgConfig& config = *configs.Add();
    config.set_name(std::to_string(i));
    config.set_string("x");
  }

  EXPECT_THAT(CheckFwCfg(configs),
              ElementsAre("--fw-cfg: 16353 files, at most 16352 are accepted"));
}

TEST(FwCfgFilesTest, ContentsComeFromTextAndFile) {
  const ScopedFd fd(memfd_create("file", MFD_CLOEXEC));
  ASSERT_EQ(write(fd.get(), "ab", 2), 2);
  const FwCfgConfigs values =
      Values({"name: 'text' string: 'xyz'",
              absl::StrCat("name: 'file' path: '/proc/self/fd/", fd.get(), "'")});
  ASSERT_EQ(lseek(fd.get(), 0, SEEK_SET), 0);

  const std::vector<FwCfg::File> files = ReadFwCfgFiles(values).value();

  ASSERT_THAT(files, SizeIs(2));
  EXPECT_EQ(files[0].name, "text");
  EXPECT_THAT(files[0].contents, ElementsAre('x', 'y', 'z'));
  EXPECT_THAT(files[1].contents, ElementsAre('a', 'b'));
}

TEST(FwCfgFilesTest, FileThatIsNotThereIsAnErrorThatNamesBoth) {
  const FwCfgConfigs values = Values({"name: 'a' path: '/no/such/file'"});

  EXPECT_THAT(std::string(ReadFwCfgFiles(values).status().message()),
              AllOf(HasSubstr("--fw-cfg: name=a"), HasSubstr("/no/such/file")));
}

TEST(FwCfgFilesTest, FileThatIsTooLargeIsRefused) {
  const FwCfgConfigs values = Values({"name: 'a' path: '/dev/zero'"});

  EXPECT_THAT(std::string(ReadFwCfgFiles(values).status().message()),
              HasSubstr("/dev/zero has more than 16777216 bytes"));
}

}  // namespace
}  // namespace touchstone
