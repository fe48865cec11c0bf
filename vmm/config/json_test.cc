// JSON configurations: what is read, what is refused and how, and that all that can be configured
// survives being written and read.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "devices/module/dynamic_message.h"
#include "devices/module/text_proto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/config/config.pb.h"
#include "vmm/config/config_schema.h"
#include "vmm/config/json_reader.h"
#include "vmm/config/json_writer.h"
#include "vmm/config/key_value_test.pb.h"
#include "vmm/config/key_value_test_schema.h"
#include "vmm/config/schema.h"

namespace touchstone {
namespace {

using ::testing::StartsWith;
using ::testing::Values;

struct Case {
  const char* json;
  const char* proto;
};

class Accepted : public testing::TestWithParam<Case> {};

TEST_P(Accepted, IsRead) {
  RunConfig config;
  RunConfig expected;
  ASSERT_TRUE(ReadTextProto(GetParam().proto, expected).ok());

  const absl::Status status = ReadJson(GetParam().json, config);

  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(WriteTextProto(config), WriteTextProto(expected));
}

INSTANTIATE_TEST_SUITE_P(
    Options, Accepted,
    Values(Case{"{}", ""}, Case{" \t\r\n{ }\n", ""}, Case{R"({"kernel":"/k"})", "kernel: '/k'"},
           Case{R"({"mem": {"size": 512}, "cpus": {"num-cores": 4}})",
                "mem { size: 512 } cpus { num_cores: 4 }"},
           Case{R"({"cpus": {"num_cores": 4}})", "cpus { num_cores: 4 }"},
           Case{R"({"params": ["quiet", "a b"]})", "params: 'quiet' params: 'a b'"},
           Case{R"({"params": []})", ""}, Case{R"({"kernel": null, "mem": null})", ""},
           Case{R"({"no-rtc": true, "no-rng": false})", "no_rtc: true no_rng: false"},
           Case{R"({"block": [{"path": "/d.img", "ro": true}, {"path": "e", "block_size": 4096}]})",
                "block { path: '/d.img' ro: true } block { path: 'e' block_size: 4096 }"},
           Case{R"({"serial": [{"type": "stdout", "hardware": "legacy-virtio-console"}]})",
                "serial { type: STDOUT hardware: LEGACY_VIRTIO_CONSOLE }"},
           Case{R"({"vsock": {"cid": 3, "max-queue-sizes": [2, 4, 8]}})",
                "vsock { cid: 3 max_queue_sizes: 2 max_queue_sizes: 4 max_queue_sizes: 8 }"},
           Case{R"({"hypervisor": "kvm"})", "hypervisor { kvm {} }"},
           Case{R"({"hypervisor": {"kvm": {"device": "/d"}}})",
                "hypervisor { kvm { device: '/d' } }"},
           Case{R"({"net": [{"tap-name": "t", "vhost-net": {}}]})",
                "net { tap_name: 't' vhost_net {} }"},
           Case{R"({"balloon-bias-mib": -5})", "balloon_bias_mib: -5"},
           Case{R"({"init-mem": 18446744073709551615})", "init_mem: 18446744073709551615"}));

INSTANTIATE_TEST_SUITE_P(
    Strings, Accepted,
    Values(Case{R"({"kernel": ""})", "kernel: ''"},
           Case{R"({"kernel": "a\"\\\/\b\f\n\r\tz"})", R"(kernel: "a\"\\/\b\f\n\r\tz")"},
           Case{R"({"kernel": "\u0041\u00e9\u20AC\ud83d\ude00"})",
                "kernel: 'A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80'"},
           Case{"{\"kernel\": \"\xc3\xa9 [,]{}:\"}", "kernel: '\xc3\xa9 [,]{}:'"},
           Case{R"({"\u006bernel": "k"})", "kernel: 'k'"}));

class Rejected : public testing::TestWithParam<Case> {};

TEST_P(Rejected, WithLineAndPlace) {
  RunConfig config;

  const absl::Status status = ReadJson(GetParam().json, config);

  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), StartsWith(GetParam().proto));
}

INSTANTIATE_TEST_SUITE_P(
    Syntax, Rejected,
    Values(Case{"", "line 1: expected an object but the text ends"},
           Case{"[]", "line 1: expected an object but found '['"},
           Case{"{", "line 1: expected a string but the text ends"},
           Case{"{\"kernel\"", "line 1: expected ':' but the text ends"},
           Case{"{\"kernel\" \"k\"}", "line 1: expected ':' but found '\"'"},
           Case{"{kernel: 1}", "line 1: expected a string but found 'kernel'"},
           Case{"{\"kernel\": \"k\",}", "line 1: expected a string but found '}'"},
           Case{"{\"kernel\": \"k\"", "line 1: expected ',' or '}' but the text ends"},
           Case{"{\"kernel\": \"k\" \"a\"}", "line 1: expected ',' or '}' but found '\"'"},
           Case{"{} {}", "line 1: expected the end of the text but found '{'"},
           Case{"{}\nx", "line 2: expected the end of the text but found 'x'"},
           Case{"{\"kernel\": \"k", "line 1: kernel: the closing \" is missing after 'k'"},
           Case{"{\"kernel\": \"a\tb\"}", "line 1: kernel: control character in the string"},
           Case{R"({"kernel": "\x"})", "line 1: kernel: unknown escape '\\x' in a string"},
           Case{R"({"kernel": "\u12"})", "line 1: kernel: '\\u12\"}' is no \\u and four"},
           Case{R"({"kernel": "\ud800"})", "line 1: kernel: half a surrogate pair in a string"},
           Case{R"({"kernel": "\udc00"})", "line 1: kernel: half a surrogate pair in a string"},
           Case{R"({"kernel": "\ud800\u0041"})", "line 1: kernel: half a surrogate pair"},
           Case{R"({"kernel": "\u0000"})", "line 1: kernel: \\u0000 in a string"},
           Case{"{\"kernel\": \"\\", "line 1: kernel: unknown escape '\\' in a string"},
           Case{"/* */ {}", "line 1: expected an object but found '/*'"}));

INSTANTIATE_TEST_SUITE_P(
    Contents, Rejected,
    Values(
        Case{R"({"kernal": "k"})", "line 1: unknown key 'kernal' (did you mean kernel?)"},
        Case{"{\n\"mem\": {\n\"sise\": 1}}",
             "line 3: mem: unknown key 'sise', the keys are size (did you mean size?)"},
        Case{R"({"KERNEL": "k"})", "line 1: unknown key 'KERNEL'"},
        Case{R"({"kernel": "a", "kernel": "b"})", "line 1: kernel: given twice"},
        Case{R"({"params": ["a"], "params": ["b"]})", "line 1: params: given twice"},
        Case{R"({"cpus": {"num-cores": 1, "num_cores": 2}})", "line 1: cpus.num-cores: given tw"},
        Case{R"({"kernel": 5})", "line 1: kernel: expected a text but found '5'"},
        Case{R"({"kernel": ["k"]})", "line 1: kernel: expected a text but found '['"},
        Case{R"({"mem": 512})", "line 1: mem: expected an object but found '512'"},
        Case{R"({"mem": {"size": "512"}})", "line 1: mem.size: expected a number of MiB from 0"},
        Case{R"({"mem": {"size": -1}})", "line 1: mem.size: '-1' is not a number of MiB from 0"},
        Case{R"({"mem": {"size": 1.5}})", "line 1: mem.size: '1.5' is not a number of MiB"},
        Case{R"({"mem": {"size": 1e3}})", "line 1: mem.size: '1e3' is not a number of MiB"},
        Case{R"({"mem": {"size": 18446744073709551616}})",
             "line 1: mem.size: '18446744073709551616' is not a number of MiB"},
        Case{R"({"mem": {"size": true}})", "line 1: mem.size: 'true' is not a number"},
        Case{R"({"mem": {"size": }})", "line 1: mem.size: expected a number of MiB from 0"},
        Case{R"({"no-rtc": "true"})", "line 1: no-rtc: expected true or false but found '\"'"},
        Case{R"({"no-rtc": 1})", "line 1: no-rtc: '1' is not true or false"},
        Case{R"({"no-rtc": True})", "line 1: no-rtc: 'True' is not true or false"},
        Case{R"({"params": "quiet"})", "line 1: params: expected a list but found '\"'"},
        Case{R"({"params": null})", "line 1: params: expected a list but found 'null'"},
        Case{R"({"params": ["a",]})", "line 1: params[1]: expected a text but found ']'"},
        Case{R"({"params": ["a" "b"]})", "line 1: params: expected ',' or ']' but found '\"'"},
        Case{R"({"params": [null]})", "line 1: params[0]: expected a text but found 'null'"},
        Case{"{\"serial\": [{},\n{\"type\": \"fle\"}]}",
             "line 2: serial[1].type: 'fle' is not one of file, stdout, sink, syslog, unix, "
             "unix-stream (did you mean file?)"},
        Case{R"({"serial": [{"type": "FILE"}]})", "line 1: serial[0].type: 'FILE' is not one of"},
        Case{R"({"serial": [{"type": 1}]})", "line 1: serial[0].type: expected one of file, "},
        Case{R"({"serial": {"type": "file"}})", "line 1: serial: expected a list but found '{'"},
        Case{R"({"serial": [{"num": 0}]})", "line 1: serial[0].num: '0' is not a number from 1"},
        Case{R"({"block": [{"ro": true}]})", "line 1: block[0]: key 'path' is missing"},
        Case{R"({"block": [{"path": null}]})", "line 1: block[0]: key 'path' is missing"},
        Case{R"({"block": ["/d.img"]})", "line 1: block[0]: expected an object but found '\"'"},
        Case{R"({"hypervisor": "xen"})", "line 1: hypervisor: 'xen' is not one of kvm"},
        Case{R"({"hypervisor": {"kvm": {"device": 1}}})",
             "line 1: hypervisor.kvm.device: expected a text but found '1'"},
        Case{R"({"hypervisor": {"kvm": {}, "gvm": {}}})",
             "line 1: hypervisor.kvm: expected '}' but found ','"},
        Case{R"({"disk": ["a"]})", "line 1: unknown key 'disk'"}));

TEST(Json, ReadsEveryFormOfValue) {
  TestForms forms;
  TestForms expected;
  ASSERT_EQ(
      ReadTextProto(
          "color: OTHER colors: RED colors: DARK_BLUE structs { u: 1 v: true } structs {} "
          "sets { element: 1 element: 2 element: 3 element: 4 } sets {} bools: true bools: false "
          "pairs { first: 1 second: 2 } variants { a {} } variants { b { first: 3 second: 4 } } "
          "variants { c { x: 5 } } variants { c {} } variants { two {} }",
          expected),
      absl::OkStatus());

  const absl::Status status = ReadJson(
      R"({"color": "3rd_colour", "colors": ["red", "dark-blue"], "structs": [{"u": 1, "v": true}, {}],
          "sets": [[1, "2-3", "4"], []], "bools": [true, false], "pairs": [[1, 2]],
          "variants": ["a", {"b": [3, 4]}, {"c": {"x": 5}}, "c", "2d"]})",
      forms);

  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(WriteTextProto(forms), WriteTextProto(expected));
}

TEST(Json, RefusesWrongTuplesSetsAndVariants) {
  const auto complaint = [](const char* json) {
    TestForms forms;
    return std::string(ReadJson(json, forms).message());
  };

  EXPECT_EQ(complaint(R"({"pairs": [[1]]})"),
            "line 1: pairs[0]: expected a list of 2 values but found ']'");
  EXPECT_EQ(complaint(R"({"pairs": [[1, 2, 3]]})"), "line 1: pairs[0]: expected ']' but found ','");
  EXPECT_EQ(complaint(R"({"sets": [["3-1"]]})"),
            "line 1: sets[0][0]: '3-1' is not a number from 0 to 100000, nor a range LOW-HIGH of "
            "them");
  EXPECT_EQ(complaint(R"({"variants": ["b"]})"), "line 1: variants[0].b: needs 2 values");
  EXPECT_EQ(complaint(R"({"needy": {}})"), "line 1: needy: key 'must' is missing");
}

// Gives every field of the message a value, lists two.
void Fill(DynamicMessage& message, int depth);

void FillOne(DynamicMessage& message, const FieldDescriptor* field, int depth) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return message.PutNumber(field, 1);
    case FieldDescriptor::CPPTYPE_STRING:
      return message.PutText(field, "a \"quoted\\\" \xc3\xa9\n\x01 [text],{x:y}");
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto* value = field->enum_type()->value(field->enum_type()->value_count() - 1);
      return message.PutNumber(field, static_cast<uint64_t>(value->number()));
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return Fill(message.PutMessage(field), depth + 1);
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
      return message.PutNumber(field, static_cast<uint64_t>(LimitsOf(field).min));
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      return message.PutNumber(field, LimitsOf(field).max);
  }
}

void Fill(DynamicMessage& message, int depth) {
  ASSERT_LT(depth, 8);
  const auto* type = message.GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    FillOne(message, type->field(i), depth);
    if (type->field(i)->is_repeated()) FillOne(message, type->field(i), depth);
    if (StructureOf(type).variant()) return;
  }
}

class RoundTrip : public testing::TestWithParam<int> {};

TEST_P(RoundTrip, OfEachOption) {
  const FieldDescriptor* option = SchemaOf<RunConfig>()->field(GetParam());
  SCOPED_TRACE(option->name());
  DynamicMessage config(SchemaOf<RunConfig>());
  DynamicMessage again(SchemaOf<RunConfig>());
  FillOne(config, option, 0);

  const std::string json = WriteJson(config);

  const absl::Status status = ReadJson(json, again);
  EXPECT_TRUE(status.ok()) << status << "\n" << json;
  EXPECT_EQ(WriteTextProto(again), WriteTextProto(config));
  EXPECT_EQ(WriteJson(again), json);
}

INSTANTIATE_TEST_SUITE_P(All, RoundTrip, testing::Range(0, SchemaOf<RunConfig>()->field_count()));

TEST(RoundTrip, OfAllOptionsAtOnce) {
  DynamicMessage config(SchemaOf<RunConfig>());
  DynamicMessage again(SchemaOf<RunConfig>());
  Fill(config, 0);

  const absl::Status status = ReadJson(WriteJson(config), again);

  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(WriteTextProto(again), WriteTextProto(config));
}

TEST(RoundTrip, OfEveryForm) {
  DynamicMessage forms(SchemaOf<TestForms>());
  DynamicMessage again(SchemaOf<TestForms>());
  Fill(forms, 0);

  const absl::Status status = ReadJson(WriteJson(forms), again);

  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(WriteTextProto(again), WriteTextProto(forms));
}

TEST(WriteJson, IsPretty) {
  RunConfig config;
  ASSERT_EQ(ReadTextProto("kernel: '/k' mem { size: 512 } params: 'a' params: 'b' no_rtc: true "
                          "serial { type: SINK }",
                          config),
            absl::OkStatus());

  EXPECT_EQ(WriteJson(config), R"({
  "kernel": "/k",
  "params": [
    "a",
    "b"
  ],
  "mem": {
    "size": 512
  },
  "no-rtc": true,
  "serial": [
    {
      "type": "sink"
    }
  ]
}
)");
  EXPECT_EQ(WriteJson(RunConfig()), "{}\n");
}

// Known escapes, 84: nesting is as deep as the schema, whatever the text says.
TEST(Json, NestingIsNotTheTextsToChoose) {
  constexpr size_t kDeep = size_t{1} << 20;
  std::string objects;
  for (size_t i = 0; i < kDeep; ++i) objects += "{\"cpus\":";
  for (const std::string& text : {std::string(kDeep, '['), std::string(kDeep, '{'), objects,
                                  absl::StrCat("{\"params\": ", std::string(kDeep, '[')),
                                  absl::StrCat("{\"no-such-key\": ", std::string(kDeep, '['),
                                               std::string(kDeep, ']'), "}")}) {
    RunConfig config;
    EXPECT_FALSE(ReadJson(text, config).ok()) << text.substr(0, 40);
  }
}

}  // namespace
}  // namespace touchstone
