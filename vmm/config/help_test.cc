#include "vmm/config/help.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/config/config.pb.h"
#include "vmm/config/config_schema.h"
#include "vmm/config/key_value_test.pb.h"
#include "vmm/config/key_value_test_schema.h"
#include "vmm/config/schema.h"

namespace touchstone {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::SizeIs;

TEST(OptionsHelp, FitsEightyColumns) {
  const std::vector<std::string> lines = absl::StrSplit(OptionsHelp({SchemaOf<RunConfig>()}), '\n');

  EXPECT_THAT(lines, Each(SizeIs(Le(80u))));
}

TEST(OptionsHelp, HasEveryOptionAndKey) {
  const std::string help = OptionsHelp({SchemaOf<RunConfig>()});

  const Descriptor* run = SchemaOf<RunConfig>();
  for (int i = 1; i < run->field_count(); ++i)
    EXPECT_THAT(help, HasSubstr("--" + NameOf(run->field(i))));
  const Descriptor* serial = SchemaOf<SerialConfig>();
  for (int i = 0; i < serial->field_count(); ++i) {
    EXPECT_THAT(help, HasSubstr("        " + NameOf(serial->field(i))));
  }
}

TEST(OptionsHelp, ShowsValuesDefaultsAndGroups) {
  EXPECT_EQ(OptionsHelp({SchemaOf<GlobalConfig>()}), R"(Options:
  --extended-status
      exit with 32 after a reset of the guest, 33 after a crash, 34 after a
      guest panic, not 0
  --log-level SPEC
      as the option of run, which overrides this one (default info)
  --version
      print the version
  --syslog-tag TAG
      as the option of run, which overrides this one
  --no-syslog
      do not write to the system log, in spite of --syslog-tag
)");
  EXPECT_THAT(OptionsHelp({SchemaOf<RunConfig>()}), HasSubstr(R"(
  -m, --mem size=MiB
      guest memory
        size=MiB
            size of guest memory (default 256 MiB)
  --no-i8042
      leave out the keyboard controller, and with it its reset port
)"));
}

TEST(OptionsHelp, ShowsEveryFormOfValue) {
  const std::string help = OptionsHelp({SchemaOf<TestOptions>()});

  EXPECT_THAT(help, HasSubstr("  -s, --s KEY=VALUE,..."));
  EXPECT_THAT(help, HasSubstr("        path=TEXT\n            (required)"));
  EXPECT_THAT(help, HasSubstr("        ls=[TEXT,...]"));
  EXPECT_THAT(help, HasSubstr("        t=[N,N]"));
  EXPECT_THAT(
      help, HasSubstr("        e=a|b|c|2d\n            a\n            b[N,N]\n            c[x=N]"));
  EXPECT_THAT(OptionsHelp({SchemaOf<TestForms>()}), HasSubstr("  --sets [N,...]"));
  EXPECT_THAT(help, HasSubstr("  -w, --word TEXT\n      (may be given again)"));
  EXPECT_THAT(help, HasSubstr("  --core-scheduling true|false"));
}

TEST(Wrap, BreaksAtBlanksAndKeepsLongWords) {
  EXPECT_EQ(Wrap("", 4), "");
  EXPECT_EQ(Wrap("a  b", 2), "  a b\n");
  EXPECT_EQ(Wrap(absl::StrCat(std::string(78, 'x'), " y"), 2),
            absl::StrCat("  ", std::string(78, 'x'), "\n  y\n"));
  EXPECT_EQ(Wrap(std::string(100, 'x'), 2), absl::StrCat("  ", std::string(100, 'x'), "\n"));
}

}  // namespace
}  // namespace touchstone
