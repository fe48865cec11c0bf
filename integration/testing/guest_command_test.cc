#include "integration/testing/guest_command.h"

#include "gtest/gtest.h"

namespace touchstone {
namespace {

using Progress = GuestCommand::Progress;

TEST(Crc32Test, IsThatOfGzip) {
  EXPECT_EQ(Crc32(""), 0u);
  EXPECT_EQ(Crc32("abc"), 0x352441c2u);
}

TEST(GuestCommandTest, RequestNamesTheCommandAndAgainOnlyItsNumber) {
  const GuestCommand command(7, "echo a b");

  EXPECT_EQ(command.Request(), "7 echo a b\n");
  EXPECT_EQ(command.Again(), "7\n");
}

TEST(GuestCommandTest, AnswerWithNewlineAtItsEnd) {
  GuestCommand command(1, "echo hi; exit 3");

  EXPECT_EQ(command.Feed("#1|hi"), Progress::kWaiting);
  EXPECT_EQ(command.Feed(""), Progress::kWaiting);
  EXPECT_EQ(command.Feed("#1=3 ed6f7a7a 3"), Progress::kDone);

  EXPECT_EQ(command.result().output, "hi\n");
  EXPECT_EQ(command.result().status, 3);
}

TEST(GuestCommandTest, AnswerWithoutNewlineAtItsEnd) {
  GuestCommand command(2, "printf abc");

  command.Feed("#2|abc");

  EXPECT_EQ(command.Feed("#2=0 352441c2 3"), Progress::kDone);
  EXPECT_EQ(command.result().output, "abc");
}

TEST(GuestCommandTest, EmptyAnswer) {
  GuestCommand command(3, "true");

  EXPECT_EQ(command.Feed("#3=0 00000000 0"), Progress::kDone);
  EXPECT_EQ(command.result().output, "");
}

TEST(GuestCommandTest, LinesOfOthersAreNoPartOfTheAnswer) {
  GuestCommand command(1, "echo hi");

  EXPECT_EQ(command.Feed("[    1.0] kernel"), Progress::kWaiting);
  EXPECT_EQ(command.Feed("#12|of another command"), Progress::kWaiting);
  EXPECT_EQ(command.Feed("#12=0 00000000 0"), Progress::kWaiting);
  EXPECT_EQ(command.Feed("#1|hi"), Progress::kWaiting);

  EXPECT_EQ(command.Feed("#1=0 ed6f7a7a 3"), Progress::kDone);
  EXPECT_EQ(command.result().output, "hi\n");
}

TEST(GuestCommandTest, MangledAnswerIsFoundOutAndTheNextIsTaken) {
  GuestCommand command(1, "echo hi");
  command.Feed("#1|h[    1.0] kernel");
  command.Feed("i");

  EXPECT_EQ(command.Feed("#1=0 ed6f7a7a 3"), Progress::kMangled);

  command.Feed("#1|hi");
  EXPECT_EQ(command.Feed("#1=0 ed6f7a7a 3"), Progress::kDone);
  EXPECT_EQ(command.result().output, "hi\n");
}

TEST(GuestCommandTest, MangledEndIsFoundOut) {
  for (const char* end : {"#1=", "#1=0", "#1=0 ed6f7a7a", "#1=0 ed6f7a7a 3[  1.0] kernel",
                          "#1=0 ed6f 3", "#1=x ed6f7a7a 3", "#1=0 ed6f7a7a 3 4"}) {
    GuestCommand command(1, "echo hi");
    command.Feed("#1|hi");

    EXPECT_EQ(command.Feed(end), Progress::kMangled) << end;
  }
}

}  // namespace
}  // namespace touchstone
