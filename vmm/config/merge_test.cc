#include "vmm/config/merge.h"

#include <string>

#include "devices/module/dynamic_message.h"
#include "devices/module/text_proto.h"
#include "gtest/gtest.h"
#include "vmm/config/config_schema.h"
#include "vmm/config/key_value_test_schema.h"

namespace touchstone {
namespace {

DynamicMessage Options(const std::string& text_proto) {
  DynamicMessage options(SchemaOf<TestOptions>());
  EXPECT_EQ(ReadTextProto(text_proto, options), absl::OkStatus()) << text_proto;
  return options;
}

TEST(MergeOptions, ReplacesWholeValuesAndAppendsLists) {
  DynamicMessage options =
      Options("target: 'a' s { path: 'p' n: 1 } word: 'one' cpu: 0 cpu: 1 quick: true");

  MergeOptions(Options("s { path: 'q' } word: 'two' cpu: 7 bias: -1"), options);

  EXPECT_EQ(WriteTextProto(options),
            WriteTextProto(
                Options("target: 'a' s { path: 'q' } word: 'one' word: 'two' cpu: 7 quick: true "
                        "bias: -1")));
}

TEST(MergeOptions, KeepsWhatTheLaterHasNot) {
  DynamicMessage options = Options("target: 'a' word: 'one' cpu: 0");

  MergeOptions(Options(""), options);

  EXPECT_EQ(WriteTextProto(options), WriteTextProto(Options("target: 'a' word: 'one' cpu: 0")));
}

}  // namespace
}  // namespace touchstone
