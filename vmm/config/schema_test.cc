#include "vmm/config/schema.h"

#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/config/config.pb.h"
#include "vmm/config/config_schema.h"
#include "vmm/config/key_value_test.pb.h"
#include "vmm/config/key_value_test_schema.h"
#include "vmm/config/schema_check.h"

namespace touchstone {
namespace {

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
  Collect(SchemaOf<RunConfig>(), 8, fields);
  Collect(SchemaOf<GlobalConfig>(), 8, fields);
  return fields;
}

TEST(Schema, NamesEveryFieldInKebabCaseAndExplainsIt) {
  for (const FieldDescriptor* field : AllFields()) {
    EXPECT_THAT(NameOf(field), MatchesRegex("[a-z0-9]+([-_][a-z0-9]+)*")) << field->full_name();
    EXPECT_NE(OptionOf(field).help(), "") << field->full_name();
  }
}

TEST(Schema, GivesEachOptionNameOnceAndOperandsAText) {
  std::set<std::string> names;
  std::set<std::string> letters;
  for (int i = 0; i < SchemaOf<RunConfig>()->field_count(); ++i) {
    const FieldDescriptor* field = SchemaOf<RunConfig>()->field(i);
    EXPECT_TRUE(names.insert(NameOf(field)).second) << field->full_name();
    for (const absl::string_view alias : OptionOf(field).alias())
      EXPECT_TRUE(names.emplace(alias).second) << alias;
    EXPECT_TRUE(!OptionOf(field).has_short_flag() ||
                letters.emplace(OptionOf(field).short_flag()).second)
        << field->full_name();
    EXPECT_TRUE(!OptionOf(field).positional() ||
                field->cpp_type() == FieldDescriptor::CPPTYPE_STRING);
  }
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
