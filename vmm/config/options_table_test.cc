// The schema against the options as data (crosvm_options.h): none missing, none spelt otherwise,
// each with a fate.

#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/config/config.pb.h"
#include "vmm/config/config_schema.h"
#include "vmm/config/crosvm_options.h"
#include "vmm/config/refused_options.h"
#include "vmm/config/schema.h"

namespace touchstone {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

// Options that crosvm's `run` has not.
const std::set<std::string> kOurOptions = {"gdb-socket", "log-level",
                                           "vhost-user-connect-timeout-ms"};

// Keys that crosvm's options have not.
const std::set<std::string> kOurKeys = {"net.passt", "net.socket", "net.socket-fd", "vsock.socket"};

// What the schema says of an option under one of its names.
struct Found {
  const FieldDescriptor* field = nullptr;
  std::string short_flag;
};

std::vector<const FieldDescriptor*> AllOptions() {
  std::vector<const FieldDescriptor*> options;
  for (const Descriptor* type : {SchemaOf<RunConfig>(), RefusedOptions::type()}) {
    for (int i = 0; i < type->field_count(); ++i) options.push_back(type->field(i));
  }
  return options;
}

Found Find(const std::string& name) {
  for (const FieldDescriptor* field : AllOptions()) {
    const FieldOption info = OptionOf(field);
    const std::string own = info.positional() ? std::string(info.value_name()) : NameOf(field);
    if (own == name) return {field, std::string(info.short_flag())};
    for (const OlderOption& older : info.older()) {
      if (older.name() == name) return {field, std::string(older.short_flag())};
    }
  }
  return {};
}

CrosvmOption::Form FormOf(const FieldDescriptor* field) {
  const FieldOption info = OptionOf(field);
  if (info.positional()) return kOperand;
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) return kKeys;
  const bool has_value =
      field->cpp_type() != FieldDescriptor::CPPTYPE_BOOL || info.grammar() == GRAMMAR_BOOL_VALUE;
  return has_value ? kValue : kSwitch;
}

bool Repeats(const FieldDescriptor* field) {
  return field->is_repeated() && OptionOf(field).grammar() != GRAMMAR_RANGES;
}

// One key of the table's text.
struct Key {
  std::string path;  // of names, separated by dots
  std::string alias;
  std::string default_text;
  bool required = false;
};

Key ParseKey(absl::string_view text) {
  Key key;
  key.required = absl::ConsumeSuffix(&text, "!");
  const std::vector<std::string> sides = absl::StrSplit(text, absl::MaxSplits('=', 1));
  const std::vector<std::string> names = absl::StrSplit(sides[0], '|');
  key.path = names[0];
  if (names.size() > 1) key.alias = names[1];
  if (sides.size() > 1) key.default_text = sides[1];
  return key;
}

const FieldDescriptor* FindKey(const FieldDescriptor* option, const std::string& path) {
  const FieldDescriptor* field = option;
  for (const absl::string_view name : absl::StrSplit(path, '.')) {
    if (field == nullptr || field->message_type() == nullptr) return nullptr;
    field = FindField(field->message_type(), name);
  }
  return field;
}

class Row : public testing::TestWithParam<CrosvmOption> {};

TEST_P(Row, IsAnOptionOfTheSchema) {
  const Found found = Find(GetParam().name);

  ASSERT_NE(found.field, nullptr);
  EXPECT_EQ(found.short_flag, GetParam().short_flag);
  EXPECT_EQ(FormOf(found.field), GetParam().form);
  EXPECT_EQ(Repeats(found.field), GetParam().count == kRepeats);
}

TEST_P(Row, HasItsKeys) {
  const FieldDescriptor* option = Find(GetParam().name).field;
  ASSERT_NE(option, nullptr);
  for (const absl::string_view text : absl::StrSplit(GetParam().keys, ' ', absl::SkipEmpty())) {
    SCOPED_TRACE(text);
    const Key key = ParseKey(text);

    const FieldDescriptor* field = FindKey(option, key.path);

    ASSERT_NE(field, nullptr);
    EXPECT_EQ(OptionOf(field).required(), key.required);
    EXPECT_TRUE(key.alias.empty() || FindField(field->containing_type(), key.alias) == field);
    EXPECT_TRUE(key.default_text.empty() || DefaultText(field) == key.default_text ||
                absl::StrContains(DefaultText(field), "--"))
        << DefaultText(field);
  }
}

TEST_P(Row, HasNoOtherKeys) {
  std::set<std::string> known;
  for (const absl::string_view text : absl::StrSplit(GetParam().keys, ' ', absl::SkipEmpty())) {
    known.insert(ParseKey(text).path);
  }
  const FieldDescriptor* option = Find(GetParam().name).field;
  ASSERT_NE(option, nullptr);
  const Descriptor* type = option->message_type();

  for (int i = 0; type != nullptr && i < type->field_count(); ++i) {
    const std::string& name = NameOf(type->field(i));
    EXPECT_TRUE(known.count(name) == 1 ||
                kOurKeys.count(absl::StrCat(GetParam().name, ".", name)) == 1)
        << name;
  }
}

std::string RowName(const testing::TestParamInfo<CrosvmOption>& info) {
  std::string name = info.param.name;
  for (char& c : name) c = c == '-' ? '_' : c;
  return absl::StrCat(info.param.row, "_", name);
}

INSTANTIATE_TEST_SUITE_P(All, Row, testing::ValuesIn(kCrosvmOptions), RowName);

TEST(OptionsTable, IsWhole) {
  int row = 0;
  for (const CrosvmOption& option : kCrosvmOptions) EXPECT_EQ(option.row, ++row);
  EXPECT_EQ(row, 149);
}

TEST(OptionsTable, HasEveryOptionOfTheSchema) {
  std::set<std::string> known = kOurOptions;
  for (const CrosvmOption& option : kCrosvmOptions) known.insert(option.name);

  for (const FieldDescriptor* field : AllOptions()) {
    const FieldOption info = OptionOf(field);
    const std::string name = info.positional() ? std::string(info.value_name()) : NameOf(field);
    EXPECT_EQ(known.count(name), 1u) << name;
  }
}

TEST(OptionsTable, GivesEveryOptionItsFateAndNewOnesTheirRow) {
  for (const FieldDescriptor* field : AllOptions()) {
    SCOPED_TRACE(field->full_name());
    const FieldOption info = OptionOf(field);

    EXPECT_EQ(info.has_works(), field->containing_type() == SchemaOf<RunConfig>());
    EXPECT_TRUE(info.has_works() || info.has_planned() || info.has_unavailable());
    EXPECT_TRUE(!info.has_works() || absl::StartsWith(info.works(), "//"));
    EXPECT_TRUE(!info.has_unavailable() || !info.unavailable().empty());
    if (field->number() < 100) continue;
    const int row = field->number() - 100;
    ASSERT_LE(row, 149);
    EXPECT_EQ(NameOf(field), kCrosvmOptions[row - 1].name);
  }
}

}  // namespace
}  // namespace touchstone
