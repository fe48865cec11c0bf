#include "vmm/config/schema.h"

#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"
#include "vmm/config/config.pb.h"
#include "vmm/config/key_value_test.pb.h"
#include "vmm/config/schema_check.h"

namespace touchstone {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::FieldDescriptor;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;

// All fields of `type` and of the messages in it; `depth` bounds a schema that would contain
// itself.
void Collect(const Descriptor* type, int depth, std::vector<const FieldDescriptor*>& fields) {
  ASSERT_GT(depth, 0) << type->full_name() << " is nested too deeply or contains itself";
  for (int i = 0; i < type->field_count(); ++i) {
    fields.push_back(type->field(i));
    if (type->field(i)->message_type() != nullptr)
      Collect(type->field(i)->message_type(), depth - 1, fields);
  }
}

std::vector<const FieldDescriptor*> AllFields() {
  std::vector<const FieldDescriptor*> fields;
  Collect(RunConfig::descriptor(), 8, fields);
  Collect(GlobalConfig::descriptor(), 8, fields);
  return fields;
}

TEST(Schema, NamesEveryFieldInKebabCaseAndExplainsIt) {
  for (const FieldDescriptor* field : AllFields()) {
    EXPECT_THAT(NameOf(field), MatchesRegex("[a-z0-9]+([-_][a-z0-9]+)*")) << field->full_name();
    EXPECT_NE(OptionOf(field).help(), "") << field->full_name();
  }
}

TEST(Schema, UsesOnlyTypesThatHaveATextForm) {
  for (const FieldDescriptor* field : AllFields()) {
    EXPECT_NE(field->type(), FieldDescriptor::TYPE_BYTES) << field->full_name();
    EXPECT_NE(field->cpp_type(), FieldDescriptor::CPPTYPE_DOUBLE) << field->full_name();
    EXPECT_NE(field->cpp_type(), FieldDescriptor::CPPTYPE_FLOAT) << field->full_name();
  }
}

TEST(Schema, GivesEachOptionNameOnceAndOperandsAText) {
  std::set<std::string> names;
  std::set<std::string> letters;
  for (int i = 0; i < RunConfig::descriptor()->field_count(); ++i) {
    const FieldDescriptor* field = RunConfig::descriptor()->field(i);
    EXPECT_TRUE(names.insert(NameOf(field)).second) << field->full_name();
    for (const std::string& alias : OptionOf(field).alias())
      EXPECT_TRUE(names.insert(alias).second) << alias;
    EXPECT_TRUE(!OptionOf(field).has_short_flag() ||
                letters.insert(OptionOf(field).short_flag()).second)
        << field->full_name();
    EXPECT_TRUE(!OptionOf(field).positional() ||
                field->cpp_type() == FieldDescriptor::CPPTYPE_STRING);
  }
}

TEST(Schema, IsWhatProtobufsJsonReadsAndWrites) {
  RunConfig config;
  google::protobuf::util::JsonParseOptions options;
  options.case_insensitive_enum_parsing = true;

  const auto status = google::protobuf::util::JsonStringToMessage(
      R"({"kernel": "/k", "mem": {"size": 512}, "cpus": {"num-cores": 4}, "params": ["a", "b"],
          "no-rtc": true, "serial": [{"type": "stdout", "hardware": "legacy-virtio-console",
          "debugcon-port": 1026, "out-timestamp": true}]})",
      &config, options);
  std::string json;
  const auto write_status = google::protobuf::util::MessageToJsonString(config, &json);

  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_TRUE(write_status.ok());
  EXPECT_EQ(config.cpus().num_cores(), 4u);
  EXPECT_EQ(config.serial(0).type(), SerialConfig::STDOUT);
  EXPECT_EQ(config.serial(0).hardware(), SerialConfig::LEGACY_VIRTIO_CONSOLE);
  EXPECT_EQ(
      json,
      R"({"kernel":"/k","params":["a","b"],"cpus":{"num-cores":4},"mem":{"size":"512"},"no-rtc":true,)"
      R"("serial":[{"type":"STDOUT","hardware":"LEGACY_VIRTIO_CONSOLE","out-timestamp":true,)"
      R"("debugcon-port":1026}]})");
}

TEST(CheckSchema, FindsWhatAConfigurationFileCouldSmuggleIn) {
  TestForms forms;
  forms.set_color(TestForms::GOLD);
  forms.set_later("x");
  forms.mutable_needy();
  forms.add_sets()->add_element(100001);
  std::vector<std::string> errors;

  CheckSchema(forms, errors);

  EXPECT_THAT(errors, ElementsAre("--color=gold: not on this platform: too dear",
                                  "--sets: element=100001 is not a number from 0 to 100000",
                                  "--needy: must is missing", "--later: not implemented yet"));
}

TEST(CheckSchema, ChecksSignedLimits) {
  TestNumbers numbers;
  numbers.set_small(-4);
  std::vector<std::string> errors;

  CheckSchema(numbers, errors);
  EXPECT_THAT(errors, ElementsAre("--small=-4 is not a number of ms from -3 to 3"));
  errors.clear();
  numbers.set_small(-3);
  CheckSchema(numbers, errors);
  EXPECT_THAT(errors, IsEmpty());
}

}  // namespace
}  // namespace touchstone
