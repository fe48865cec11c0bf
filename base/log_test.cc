#include "base/log.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_split.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;
using ::testing::StartsWith;

// Every test starts at level info and reads what it logged.
class LogTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(SetLogLevels("info").ok());
    // A memfd has no lock on its position, so only appending writes do not overwrite each other.
    ASSERT_EQ(fcntl(log_.get(), F_SETFL, O_APPEND), 0);
    SetLogFd(log_.get());
  }
  void TearDown() override { SetLogFd(STDERR_FILENO); }

  std::vector<std::string> Lines() const {
    std::string text(1 << 20, '\0');
    const ssize_t size = pread(log_.get(), text.data(), text.size(), 0);
    text.resize(size < 0 ? 0 : static_cast<size_t>(size));
    return absl::StrSplit(text, '\n', absl::SkipEmpty());
  }

  ScopedFd log_{memfd_create("log", MFD_CLOEXEC)};
};

TEST_F(LogTest, LineNamesLevelAndModule) {
  LOG(kWarning, "serial", "port %d: %s", 3, "full");

  EXPECT_THAT(Lines(), ElementsAre("touchstone: warn: serial: port 3: full"));
}

TEST_F(LogTest, WhatIsOffIsNotEvenFormatted) {
  int evaluated = 0;

  LOG(kDebug, "serial", "%d", ++evaluated);

  EXPECT_EQ(evaluated, 0);
  EXPECT_THAT(Lines(), IsEmpty());
}

TEST_F(LogTest, LevelsIncludeTheMoreImportant) {
  ASSERT_TRUE(SetLogLevels("warn").ok());

  EXPECT_TRUE(LogEnabled(LogLevel::kError, "x"));
  EXPECT_TRUE(LogEnabled(LogLevel::kWarning, "x"));
  EXPECT_FALSE(LogEnabled(LogLevel::kInfo, "x"));
}

TEST_F(LogTest, OffIsSilence) {
  ASSERT_TRUE(SetLogLevels("off").ok());

  EXPECT_FALSE(LogEnabled(LogLevel::kError, "x"));
}

TEST_F(LogTest, ModulesOverrideTheDefaultInAnyOrder) {
  ASSERT_TRUE(SetLogLevels("serial=trace,error,block=off").ok());

  EXPECT_TRUE(LogEnabled(LogLevel::kTrace, "serial"));
  EXPECT_FALSE(LogEnabled(LogLevel::kError, "block"));
  EXPECT_TRUE(LogEnabled(LogLevel::kError, "net"));
  EXPECT_FALSE(LogEnabled(LogLevel::kWarning, "net"));
}

TEST_F(LogTest, ModulesAloneLeaveTheDefaultAtInfo) {
  ASSERT_TRUE(SetLogLevels("serial=debug").ok());

  EXPECT_TRUE(LogEnabled(LogLevel::kInfo, "net"));
  EXPECT_FALSE(LogEnabled(LogLevel::kDebug, "net"));
}

TEST_F(LogTest, BadSpecificationNamesThePartAndChangesNothing) {
  for (const char* bad : {"loud", "info,serial=", "=info", "", "info,,warn", "a=b=info"}) {
    EXPECT_EQ(SetLogLevels(bad).code(), absl::StatusCode::kInvalidArgument) << bad;
  }

  EXPECT_THAT(SetLogLevels("info,serial=loud").message(), StartsWith("'serial=loud' is no log"));
  EXPECT_TRUE(LogEnabled(LogLevel::kInfo, "serial"));
  EXPECT_FALSE(LogEnabled(LogLevel::kDebug, "serial"));
}

TEST_F(LogTest, LongLinesAreCut) {
  LOG(kInfo, "x", "%s", std::string(5000, 'a'));

  ASSERT_THAT(Lines(), SizeIs(1));
  EXPECT_THAT(Lines()[0], SizeIs(1023));
}

TEST_F(LogTest, ControlCharactersCannotForgeLines) {
  LOG(kInfo, "x", "%s", "name\ntouchstone: error: \x1b[2J");

  EXPECT_THAT(Lines(), ElementsAre("touchstone: info: x: name?touchstone: error: ?[2J"));
}

TEST_F(LogTest, CallSiteIsHeldBackAfterItsBurst) {
  constexpr int kCalls = 5 * internal::kBurstPerSecond;
  for (int i = 0; i < kCalls; ++i) LOG(kInfo, "flood", "line");

  // A second may end in between.
  EXPECT_THAT(Lines(),
              SizeIs(AllOf(Ge(internal::kBurstPerSecond), Le(2 * internal::kBurstPerSecond))));
}

TEST_F(LogTest, CallSitesHaveBudgetsOfTheirOwn) {
  for (int i = 0; i < 5 * internal::kBurstPerSecond; ++i) LOG(kInfo, "flood", "line");
  LOG(kInfo, "other", "still here");

  EXPECT_THAT(Lines().back(), HasSubstr("still here"));
}

TEST_F(LogTest, NextLineSaysHowManyWereHeldBack) {
  internal::LogSite site;
  int admitted = 0;
  for (int i = 0; i < 50; ++i) admitted += internal::AdmitLog(site) ? 1 : 0;
  site.second.store(-1);  // a second later

  ASSERT_TRUE(internal::AdmitLog(site));
  internal::WriteLog(site, LogLevel::kInfo, "x", "next");
  internal::WriteLog(site, LogLevel::kInfo, "x", "after");

  EXPECT_THAT(Lines(), ElementsAre("touchstone: info: x: next (" + std::to_string(50 - admitted) +
                                       " like it held back)",
                                   "touchstone: info: x: after"));
}

TEST_F(LogTest, LinesOfThreadsDoNotMix) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      internal::LogSite site;
      for (int line = 0; line < 100; ++line) {
        internal::WriteLog(site, LogLevel::kInfo, "x", std::string(100, 'y'));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_THAT(Lines(), SizeIs(400));
  EXPECT_THAT(Lines(), Each("touchstone: info: x: " + std::string(100, 'y')));
}

TEST_F(LogTest, LevelsMayChangeWhileOthersLog) {
  std::thread other([] {
    for (int i = 0; i < 200; ++i) LOG(kDebug, "x", "line");
  });

  for (int i = 0; i < 100; ++i) ASSERT_TRUE(SetLogLevels(i % 2 == 0 ? "debug" : "x=off").ok());
  other.join();

  EXPECT_THAT(Lines(), SizeIs(Le(2 * internal::kBurstPerSecond)));
}

TEST(CheckTest, TrueIsNothingAndIsEvaluatedOnce) {
  int evaluated = 0;

  CHECK(++evaluated == 1);

  EXPECT_EQ(evaluated, 1);
}

TEST(CheckDeathTest, FalseNamesTheExpressionAndTheLine) {
  EXPECT_DEATH(CHECK(1 + 1 == 3), "log_test.cc:[0-9]+: CHECK failed: 1 \\+ 1 == 3");
}

}  // namespace
}  // namespace touchstone
