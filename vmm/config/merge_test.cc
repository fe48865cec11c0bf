#include "vmm/config/merge.h"

#include <string>

#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "vmm/config/key_value_test.pb.h"

namespace touchstone {
namespace {

TestOptions Options(const std::string& text_proto) {
  TestOptions options;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text_proto, &options)) << text_proto;
  return options;
}

TEST(MergeOptions, ReplacesWholeValuesAndAppendsLists) {
  TestOptions options =
      Options("target: 'a' s { path: 'p' n: 1 } word: 'one' cpu: 0 cpu: 1 quick: true");

  MergeOptions(Options("s { path: 'q' } word: 'two' cpu: 7 bias: -1"), options);

  EXPECT_EQ(options.DebugString(),
            Options("target: 'a' s { path: 'q' } word: 'one' word: 'two' cpu: 7 quick: true "
                    "bias: -1")
                .DebugString());
}

TEST(MergeOptions, KeepsWhatTheLaterHasNot) {
  TestOptions options = Options("target: 'a' word: 'one' cpu: 0");

  MergeOptions(TestOptions(), options);

  EXPECT_EQ(options.DebugString(), Options("target: 'a' word: 'one' cpu: 0").DebugString());
}

}  // namespace
}  // namespace touchstone
