#include "integration/testing/test_arguments.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The target's own: --machine-option=--first --machine-option=--second=1,x --empty=
TEST(TestArgumentsTest, HaveTheirValues) {
  EXPECT_THAT(MachineOptions(), ElementsAre("--first", "--second=1,x"));
  EXPECT_THAT(TestArguments("--empty="), ElementsAre(""));
}

TEST(TestArgumentsTest, AreNotTheNameOfTheProgram) {
  EXPECT_THAT(TestArguments("/"), IsEmpty());
  EXPECT_THAT(TestArguments("--none"), IsEmpty());
}

}  // namespace
}  // namespace touchstone
