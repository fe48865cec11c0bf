// What schema_library() makes of module_test.proto.

#include "devices/module/descriptor.h"

#include <cstdint>
#include <limits>

#include "devices/module/module_test.pb.h"
#include "devices/module/module_test_schema.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Descriptor* Type() { return SchemaOf<ModuleTestMessage>(); }
const FieldDescriptor* Field(absl::string_view name) { return Type()->FindFieldByName(name); }

TEST(DescriptorTest, KnowsItsFields) {
  EXPECT_EQ(Type()->full_name(), "touchstone.ModuleTestMessage");
  ASSERT_EQ(Type()->field_count(), 14);
  EXPECT_EQ(Type()->field(0)->name(), "flag");
  EXPECT_EQ(Type()->FindFieldByNumber(70000), Type()->field(6));
  EXPECT_EQ(Type()->FindFieldByNumber(7), nullptr);
  EXPECT_EQ(Type()->FindFieldByName("no"), nullptr);
  EXPECT_EQ(Field("text")->index(), 6);
  EXPECT_EQ(Field("text")->full_name(), "touchstone.ModuleTestMessage.text");
  EXPECT_EQ(Field("text")->json_name(), "the-text");
  EXPECT_EQ(Field("pair")->message_type(), SchemaOf<ModuleTestPair>());
  EXPECT_EQ(Field("pair")->containing_type(), Type());
  EXPECT_EQ(Field("pair")->enum_type(), nullptr);
  EXPECT_TRUE(Field("packed")->is_repeated());
  EXPECT_FALSE(Field("pair")->is_repeated());
}

TEST(DescriptorTest, KnowsWhatAMessageIs) {
  EXPECT_TRUE(SchemaOf<ModuleTestPair>()->option().tuple());
  EXPECT_FALSE(SchemaOf<ModuleTestPair>()->option().variant());
  EXPECT_TRUE(SchemaOf<ModuleTestChoice>()->option().variant());
  EXPECT_FALSE(Type()->option().tuple() || Type()->option().wrapper() ||
               Type()->option().no_positional());
}

TEST(DescriptorTest, KnowsDefaults) {
  EXPECT_TRUE(Field("flag")->default_value_bool());
  EXPECT_EQ(Field("i32")->default_value_signed(), -7);
  EXPECT_EQ(Field("i64")->default_value_signed(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(Field("u32")->default_value_unsigned(), std::numeric_limits<uint32_t>::max());
  EXPECT_EQ(Field("u64")->default_value_unsigned(), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(Field("color")->default_value_enum()->name(), "DARK_BLUE");
  EXPECT_EQ(Field("text")->default_value_string(), "a\"b\\c");
  EXPECT_TRUE(Field("text")->has_default_value());
  EXPECT_FALSE(Field("pair")->has_default_value());
}

TEST(DescriptorTest, KnowsTheOptionsOfAField) {
  const FieldOption info = Field("text")->option();

  EXPECT_EQ(info.help(), "what it says");
  EXPECT_EQ(info.group(), "Texts");
  EXPECT_EQ(info.short_flag(), "t");
  EXPECT_THAT(info.alias(), ElementsAre("words", "letters"));
  EXPECT_EQ(info.value_name(), "TEXT");
  EXPECT_TRUE(info.has_default_text());
  EXPECT_EQ(info.default_text(), "");
  EXPECT_EQ(info.unit(), "letters");
  EXPECT_TRUE(info.positional() && info.required());
  EXPECT_EQ(info.works(), "//some:test");
  EXPECT_FALSE(info.has_planned() || info.has_unavailable() || info.has_min() || info.has_max());
  EXPECT_EQ(info.grammar(), GRAMMAR_UNSPECIFIED);
  EXPECT_THAT(info.older(), IsEmpty());
}

TEST(DescriptorTest, KnowsAbsenceFromEmptiness) {
  const FieldOption none = Field("flag")->option();

  EXPECT_FALSE(none.has_default_text() || none.has_short_flag() || none.has_value_name() ||
               none.has_unit() || none.has_works() || none.has_planned());
  EXPECT_EQ(none.help(), "");
  EXPECT_TRUE(Field("texts")->option().has_unavailable());
  EXPECT_EQ(Field("packed")->option().grammar(), GRAMMAR_RANGES);
  EXPECT_EQ(Field("i64")->option().min(), -5);
  EXPECT_EQ(Field("i64")->option().max(), 5u);
}

TEST(DescriptorTest, KnowsOlderOptions) {
  const std::vector<OlderOption> older = Field("messages")->option().older();

  ASSERT_EQ(older.size(), 2u);
  EXPECT_EQ(older[0].name(), "old");
  EXPECT_EQ(older[0].short_flag(), "o");
  EXPECT_THAT(older[0].sets(), ElementsAre("flag=true", "u32=1"));
  EXPECT_EQ(older[0].instead(), "--messages X");
  EXPECT_EQ(older[1].name(), "older");
  EXPECT_FALSE(older[1].has_short_flag());
  EXPECT_THAT(older[1].sets(), IsEmpty());
}

TEST(DescriptorTest, KnowsEnums) {
  const EnumDescriptor* colors = EnumSchemaOf<ModuleTestMessage::Color>();
  const EnumValueDescriptor* blue = colors->FindValueByNumber(5);

  EXPECT_EQ(Field("color")->enum_type(), colors);
  EXPECT_EQ(colors->full_name(), "touchstone.ModuleTestMessage.Color");
  EXPECT_EQ(colors->value_count(), 3);
  ASSERT_NE(blue, nullptr);
  EXPECT_EQ(blue, colors->FindValueByName("DARK_BLUE"));
  EXPECT_EQ(blue->type(), colors);
  EXPECT_EQ(blue->option().name(), "navy");
  EXPECT_EQ(blue->option().help(), "a \"dark\" one");
  EXPECT_THAT(blue->option().alias(), ElementsAre("night"));
  EXPECT_FALSE(blue->option().has_planned());
  EXPECT_TRUE(colors->FindValueByNumber(-1)->option().has_planned());
  EXPECT_FALSE(colors->value(0)->option().has_name());
  EXPECT_EQ(colors->FindValueByNumber(4), nullptr);
  EXPECT_EQ(colors->FindValueByName("navy"), nullptr);
}

}  // namespace
}  // namespace touchstone
