#include "vmm/config/text.h"

#include "gtest/gtest.h"

namespace touchstone {
namespace {

TEST(Quote, KeepsPlainTextAndEscapesControlCharacters) {
  EXPECT_EQ(Quote("a b=c,\"d\""), "'a b=c,\"d\"'");
  EXPECT_EQ(Quote("a\nb\x1b[m\x7f"), "'a\\nb\\x1b[m\\x7f'");
  EXPECT_EQ(Quote(""), "''");
}

TEST(Quote, CutsAfterSixtyBytes) {
  EXPECT_EQ(Quote(std::string(60, 'x')), "'" + std::string(60, 'x') + "'");
  EXPECT_EQ(Quote(std::string(61, 'x')), "'" + std::string(60, 'x') + "...'");
}

TEST(QuoteJson, EscapesWhatJsonDoesNotTake) {
  EXPECT_EQ(QuoteJson("a \"b\" \\ c\n\x1f"), "\"a \\\"b\\\" \\\\ c\\u000a\\u001f\"");
  EXPECT_EQ(QuoteJson(""), "\"\"");
}

TEST(ClosestName, FindsWhatWasProbablyMeant) {
  const std::vector<std::string> names = {"mem", "cpus", "serial", "kvm-device", "no-rtc"};

  EXPECT_EQ(ClosestName("memm", names), "mem");
  EXPECT_EQ(ClosestName("cpu", names), "cpus");
  EXPECT_EQ(ClosestName("seriel", names), "serial");
  EXPECT_EQ(ClosestName("kvm_device", names), "kvm-device");
  EXPECT_EQ(ClosestName("emm", names), "mem");
  EXPECT_EQ(ClosestName("cpsu", names), "cpus");
  EXPECT_EQ(ClosestName("no-rct", names), "no-rtc");
}

TEST(ClosestName, GuessesNothingFromAfar) {
  const std::vector<std::string> names = {"mem", "cpus", "serial"};

  EXPECT_EQ(ClosestName("zzzzz", names), "");
  EXPECT_EQ(ClosestName("", names), "");
  EXPECT_EQ(ClosestName("x", names), "");
  EXPECT_EQ(ClosestName(std::string(65, 'm'), names), "");
}

TEST(DidYouMean, NamesTheNearestOne) {
  EXPECT_EQ(DidYouMean("memm", {"mem"}, "--"), " (did you mean --mem?)");
  EXPECT_EQ(DidYouMean("zzzz", {"mem"}, "--"), "");
}

}  // namespace
}  // namespace touchstone
