// A DynamicMessage against the class that protobuf's compiler makes of the same schema.

#include "devices/module/dynamic_message.h"

#include <cstdint>
#include <limits>
#include <string>

#include "devices/module/module_test.pb.h"
#include "devices/module/module_test_schema.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

const FieldDescriptor* Field(absl::string_view name) {
  return SchemaOf<ModuleTestMessage>()->FindFieldByName(name);
}

ModuleTestMessage Full() {
  ModuleTestMessage message;
  message.set_flag(false);
  message.set_i32(-1);
  message.set_i64(std::numeric_limits<int64_t>::min());
  message.set_u32(std::numeric_limits<uint32_t>::max());
  message.set_u64(std::numeric_limits<uint64_t>::max());
  message.set_color(ModuleTestMessage::GOLD);
  message.set_text(std::string("\0\xff", 2));
  message.add_packed(1);
  message.add_packed(300);
  message.add_numbers(-2);
  message.add_texts("");
  message.add_texts(std::string(1000, 'x'));
  message.add_colors(ModuleTestMessage::RED);
  message.add_messages()->mutable_pair()->set_second(2);
  message.add_messages();
  message.mutable_choice()->mutable_inner()->set_u32(0);
  return message;
}

TEST(DynamicMessageTest, BecomesItsClassAndBack) {
  const ModuleTestMessage message = Full();

  const DynamicMessage tree = ToTree(message);

  EXPECT_EQ(ToProto<ModuleTestMessage>(tree).SerializeAsString(), message.SerializeAsString());
  EXPECT_EQ(tree.GetSigned(Field("i32")), -1);
  EXPECT_EQ(tree.GetSigned(Field("i64")), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(tree.GetNumber(Field("u64")), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(tree.GetEnum(Field("color"))->name(), "GOLD");
  EXPECT_EQ(tree.GetText(Field("text")), std::string("\0\xff", 2));
  EXPECT_EQ(tree.FieldSize(Field("packed")), 2);
  EXPECT_EQ(tree.GetNumber(Field("packed"), 1), 300u);
  EXPECT_EQ(tree.FieldSize(Field("messages")), 2);
  EXPECT_TRUE(tree.GetMessage(Field("messages"), 0).HasField(Field("pair")));
  EXPECT_FALSE(tree.HasField(Field("pair")));
}

TEST(DynamicMessageTest, UnsetFieldsReadAsTheirDefaults) {
  const DynamicMessage tree(SchemaOf<ModuleTestMessage>());

  EXPECT_TRUE(tree.ListFields().empty());
  EXPECT_EQ(tree.Serialize(), "");
  EXPECT_TRUE(tree.GetBool(Field("flag")));
  EXPECT_EQ(tree.GetSigned(Field("i32")), -7);
  EXPECT_EQ(tree.GetEnum(Field("color"))->name(), "DARK_BLUE");
  EXPECT_EQ(tree.GetText(Field("text")), "a\"b\\c");
}

TEST(DynamicMessageTest, PutReplacesOrAppends) {
  DynamicMessage tree(SchemaOf<ModuleTestMessage>());
  tree.PutText(Field("text"), "first");
  tree.PutText(Field("text"), "second");
  tree.PutNumber(Field("numbers"), 1);
  tree.PutNumber(Field("numbers"), static_cast<uint64_t>(-2));
  tree.PutNumber(Field("flag"), 0);
  tree.PutMessage(Field("pair")).PutNumber(SchemaOf<ModuleTestPair>()->field(0), 1);
  tree.PutMessage(Field("pair")).PutNumber(SchemaOf<ModuleTestPair>()->field(1), 2);

  const ModuleTestMessage message = ToProto<ModuleTestMessage>(tree);

  EXPECT_THAT(tree.ListFields(),
              testing::ElementsAre(Field("flag"), Field("numbers"), Field("pair"), Field("text")));
  EXPECT_EQ(message.text(), "second");
  EXPECT_THAT(message.numbers(), testing::ElementsAre(1, -2));
  EXPECT_TRUE(message.has_flag() && !message.flag());
  EXPECT_EQ(message.pair().first() + message.pair().second(), 3u);
  tree.ClearField(Field("numbers"));
  EXPECT_EQ(tree.FieldSize(Field("numbers")), 0);
}

TEST(DynamicMessageTest, MergesAsProtobufDoes) {
  ModuleTestMessage first = Full();
  ModuleTestMessage second;
  second.set_i32(3);
  second.add_numbers(4);
  second.add_messages()->set_flag(true);
  second.mutable_choice()->mutable_inner()->set_i32(5);
  DynamicMessage tree = ToTree(first);

  tree.MergeFrom(ToTree(second));
  first.MergeFrom(second);

  EXPECT_EQ(ToProto<ModuleTestMessage>(tree).SerializeAsString(), first.SerializeAsString());
}

TEST(DynamicMessageTest, RefusesWhatIsNoMessage) {
  const std::string bytes = Full().SerializeAsString();
  int refused = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    DynamicMessage tree(SchemaOf<ModuleTestMessage>());
    refused += tree.Parse(bytes.substr(0, size)) ? 0 : 1;
  }
  // All but the ends of fields.
  EXPECT_GT(refused, static_cast<int>(bytes.size()) - 20);
}

TEST(DynamicMessageTest, RefusesWhatTheSchemaHasNot) {
  DynamicMessage tree(SchemaOf<ModuleTestMessage>());

  EXPECT_FALSE(tree.Parse("\x78\x01"));                                    // Field 15.
  EXPECT_FALSE(tree.Parse("\x30\x04"));                                    // A colour 4.
  EXPECT_FALSE(tree.Parse(std::string(12, '\xff')));                       // A tag without end.
  EXPECT_FALSE(tree.Parse(absl::string_view("\x09\0\0\0\0\0\0\0\0", 9)));  // A fixed64 flag.
  EXPECT_TRUE(tree.Parse("\x30\x05"));
}

}  // namespace
}  // namespace touchstone
