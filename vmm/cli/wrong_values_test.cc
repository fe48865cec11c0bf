// Wrong values for every option of `touchstone run` and every key of its value, found in
// the schema: each is one line that names the option and the key, and says what is accepted.

#include <stdint.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/cli/command.h"
#include "vmm/config/config.pb.h"
#include "vmm/config/config_schema.h"
#include "vmm/config/refused_options.h"
#include "vmm/config/schema.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::testing::Values;

// An argument, and what its message has to say.
struct WrongArgument {
  std::string argument;
  std::string start;     // "touchstone: --OPTION"
  std::string key;       // "key 'KEY'", or empty
  std::string accepted;  // or empty
};

class Collector {
 public:
  std::vector<WrongArgument> CollectAll(const Descriptor* config) {
    for (int i = 0; i < config->field_count(); ++i) {
      const FieldDescriptor* field = config->field(i);
      if (OptionOf(field).positional()) continue;
      option_ = absl::StrCat("--", NameOf(field));
      if (OptionOf(field).grammar() == GRAMMAR_COLONS) {
        Add("=a:b:no-such-key=1", "unknown key 'no-such-key'", "the keys are ");
        Add("=a:b:tag", "'tag' is not KEY=VALUE", "the keys are ");
        Add("=a", "key 'tag'", "is missing");
      } else if (field->message_type() != nullptr && StructureOf(field->message_type()).variant()) {
        Add("=no-such-variant", "", "is not one of ");
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        CollectStruct(field->message_type(), absl::StrCat(option_, "="));
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL &&
                 OptionOf(field).grammar() != GRAMMAR_BOOL_VALUE) {
        Add("=true", "", "takes no value");
        Add("=", "", "takes no value");
      } else {
        for (const std::string& value : WrongValues(field)) {
          Add(absl::StrCat("=", value), "", AcceptedText(field));
        }
      }
    }
    return std::move(found_);
  }

 private:
  // Values that no field of this type takes.
  static std::vector<std::string> WrongValues(const FieldDescriptor* field) {
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) return {};
    std::vector<std::string> values = {"nonsense", "", "1.5", "0x", "-", "'1'"};
    if (!IsInteger(field)) return values;
    const NumberLimits limits = LimitsOf(field);
    values.push_back("99999999999999999999");
    if (limits.min > INT64_MIN) values.push_back(absl::StrCat(limits.min - 1));
    if (limits.max < UINT64_MAX) values.push_back(absl::StrCat(limits.max + 1));
    return values;
  }

  // `before` is the argument up to where the struct's keys begin.
  void CollectStruct(const Descriptor* type, const std::string& before) {
    AddWhole(absl::StrCat(before, "no-such-key=1"), "unknown key 'no-such-key'",
             NameOf(type->field(0)));
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* field = type->field(i);
      const std::string key = absl::StrCat("key '", NameOf(field), "'");
      const std::string start = absl::StrCat(before, NameOf(field));
      if (IsPlainStruct(field)) {
        CollectStruct(field->message_type(),
                      absl::StrCat(start, field->is_repeated() ? "=[[" : "=["));
        continue;
      }
      if (field->message_type() != nullptr) {  // A set, a tuple, a variant.
        AddWhole(absl::StrCat(start, "=nonsense"), key, "");
        continue;
      }
      const std::string open = field->is_repeated() ? "=[" : "=";
      const std::string close = field->is_repeated() ? "]" : "";
      for (const std::string& value : WrongValues(field)) {
        if (value.empty() && field->is_repeated()) continue;  // An empty list.
        AddWhole(absl::StrCat(start, open, value, close), key, AcceptedText(field));
      }
      if (field->is_repeated()) AddWhole(absl::StrCat(start, "=1"), key, "list");
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
        AddWhole(absl::StrCat(start, open, "\"open"), key, "closing \"");
        AddWhole(absl::StrCat(start, open, "'open"), key, "closing '");
      }
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING && !field->is_repeated()) {
        AddWhole(absl::StrCat(start, "="), key, "a text");
        AddWhole(absl::StrCat(start, "=a,", NameOf(field), "=b"), key, "given twice");
      }
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
        AddWhole(absl::StrCat(start, ",", NameOf(field)), key, "given twice");
      } else {
        AddWhole(start, key, AcceptedText(field));
      }
    }
  }

  void Add(const std::string& value, const std::string& key, const std::string& accepted) {
    AddWhole(absl::StrCat(option_, value), key, accepted);
  }
  void AddWhole(const std::string& argument, const std::string& key, const std::string& accepted) {
    found_.push_back({argument, absl::StrCat("touchstone: ", option_), key, accepted});
  }

  std::string option_;
  std::vector<WrongArgument> found_;
};

// What `touchstone run ARGUMENTS... k` says before it would run a machine; empty if it would.
std::string Complaint(std::vector<absl::string_view> arguments, int& code) {
  std::string errors;
  arguments.insert(arguments.begin(), "run");
  arguments.push_back("k");
  code = Main(arguments, {.out = [](absl::string_view) {},
                          .err = [&](absl::string_view text) { absl::StrAppend(&errors, text); },
                          .run = [](const RunConfig&) { return ExitCode::kOk; }});
  return errors;
}

TEST(WrongValues, OfEveryKeyAreToldBySchema) {
  std::vector<WrongArgument> wrong = Collector().CollectAll(SchemaOf<RunConfig>());
  const std::vector<WrongArgument> refused = Collector().CollectAll(RefusedOptions::type());
  ASSERT_GT(wrong.size(), 300u);
  ASSERT_GT(refused.size(), 300u);
  wrong.insert(wrong.end(), refused.begin(), refused.end());

  for (const WrongArgument& each : wrong) {
    SCOPED_TRACE(each.argument);
    int code = 0;
    const std::string complaint = Complaint({each.argument}, code);
    EXPECT_EQ(code, 35);
    EXPECT_THAT(complaint, StartsWith(each.start));
    EXPECT_THAT(complaint, HasSubstr(each.key));
    EXPECT_THAT(complaint, HasSubstr(each.accepted));
    EXPECT_EQ(complaint.find('\n'), complaint.size() - 1);
  }
}

TEST(WrongValues, OptionsWithoutOneSayWhichTheyNeed) {
  const Descriptor* config = SchemaOf<RunConfig>();
  for (int i = 0; i < config->field_count(); ++i) {
    const FieldDescriptor* field = config->field(i);
    const std::string option = absl::StrCat("--", NameOf(field));
    if (OptionOf(field).positional() || field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL)
      continue;
    std::string errors;
    const std::vector<absl::string_view> arguments = {"run", "k", option};

    Main(arguments, {.out = [](absl::string_view) {},
                     .err = [&](absl::string_view text) { absl::StrAppend(&errors, text); },
                     .run = [](const RunConfig&) { return ExitCode::kOk; }});

    EXPECT_EQ(errors, absl::StrCat("touchstone: ", option, " needs a value: ", option, " ",
                                   ValueNameOf(field), "\n"));
  }
}

// Values of the right type that are wrong all the same.
struct WrongMeaning {
  std::vector<absl::string_view> arguments;
  const char* complaint;
};

class WrongMeanings : public testing::TestWithParam<WrongMeaning> {};

TEST_P(WrongMeanings, AreToldByTheirOption) {
  int code = 0;

  EXPECT_EQ(Complaint(GetParam().arguments, code),
            absl::StrCat("touchstone: ", GetParam().complaint, "\n"));
  EXPECT_NE(code, 0);
}

INSTANTIATE_TEST_SUITE_P(
    Serial, WrongMeanings,
    Values(WrongMeaning{{"--serial=num=5"},
                        "--serial: hardware=serial,num=5: there are 4 serial ports, num is 1 to 4"},
           WrongMeaning{{"--serial=type=file"},
                        "--serial: hardware=serial,num=1: type=file needs path="},
           WrongMeaning{{"--serial=path=x"},
                        "--serial: hardware=serial,num=1: path= has no meaning with type=sink"},
           WrongMeaning{{"--serial=hardware=virtio-console,earlycon"},
                        "--serial: hardware=virtio-console,num=1: earlycon works with "
                        "hardware=serial only"},
           WrongMeaning{{"--serial=input-unix-stream"},
                        "--serial: hardware=serial,num=1: input-unix-stream needs "
                        "type=unix-stream"},
           WrongMeaning{{"--serial=debugcon-port=5"},
                        "--serial: hardware=serial,num=1: debugcon-port= needs hardware=debugcon"},
           WrongMeaning{{"--serial=hardware=virtio-console,stdin,input=x"},
                        "--serial: hardware=virtio-console,num=1: stdin, input= and "
                        "input-unix-stream are inputs, one is accepted"}));

INSTANTIATE_TEST_SUITE_P(
    Block, WrongMeanings,
    Values(WrongMeaning{{"--block="}, "--block: key 'path' is missing"},
           WrongMeaning{{"--block=a,block-size=0"},
                        "--block path=a: block-size=0 is not a multiple of 512"},
           WrongMeaning{{"--block=a,block-size=513"},
                        "--block path=a: block-size=513 is not a multiple of 512"},
           WrongMeaning{{"--block=a,id=123456789012345678901"},
                        "--block path=a: id=123456789012345678901 is longer than 20 bytes"},
           WrongMeaning{{"--block=a,root", "--block=b,root"},
                        "--block path=b: root is set on another disk already"},
           WrongMeaning{{"--block=a,bootindex=1", "--block=b,bootindex=1"},
                        "--block path=b: bootindex=1 is another disk's already"},
           WrongMeaning{{"--block=a,pci-address=00.7"},
                        "--block path=a: pci-address=: \"00.7\" is not a PCI address: expected "
                        "[DDDD:]BB:DD.F in hexadecimal"}));

INSTANTIATE_TEST_SUITE_P(
    Net, WrongMeanings,
    Values(WrongMeaning{{"--net="},
                        "--net: one of tap-name=, tap-fd=, host-ip=, passt, socket= and socket-fd= "
                        "is needed, none is given"},
           WrongMeaning{{"--net=tap-name=a,tap-fd=3"},
                        "--net: one of tap-name=, tap-fd=, host-ip=, passt, socket= and socket-fd= "
                        "is needed, several are given"},
           WrongMeaning{{"--net=host-ip=x,netmask=255.0.0.0,mac=52:54:00:12:34:56"},
                        "--net: host-ip=x is no IPv4 address such as 192.168.10.1"},
           WrongMeaning{{"--net=host-ip=10.0.0.1,netmask=255.0.255.0,mac=52:54:00:12:34:56"},
                        "--net: netmask=255.0.255.0 is no netmask such as 255.255.255.0"},
           WrongMeaning{{"--net=host-ip=10.0.0.1,netmask=255.0.0.0"},
                        "--net: mac= is missing: host-ip=, netmask= and mac= belong together"},
           WrongMeaning{{"--net=tap-name=a,mac=1:2:3:4:5:6"},
                        "--net: mac=1:2:3:4:5:6 is no address such as 52:54:00:12:34:56"},
           WrongMeaning{{"--net=tap-name=a,pci-address=00.1"},
                        "--net: pci-address=: \"00.1\" is not a PCI address: expected "
                        "[DDDD:]BB:DD.F in hexadecimal"},
           WrongMeaning{{"--net=tap-name=a,vhost-net,vq-pairs=2"},
                        "--net: vq-pairs= with vhost-net: it has one pair of queues"},
           WrongMeaning{{"--host-ip=10.0.0.1", "--netmask=255.0.0.0"},
                        "--mac is missing: --host-ip, --netmask and --mac belong together"}));

INSTANTIATE_TEST_SUITE_P(
    Vsock, WrongMeanings,
    Values(WrongMeaning{{"--vsock="}, "--vsock: key 'cid' is missing"},
           WrongMeaning{{"--vsock=3,max-queue-sizes=[256,255,256]"},
                        "--vsock: max-queue-sizes= takes three powers of two, such as "
                        "[256,256,256]"},
           WrongMeaning{{"--vsock=3,device=a,socket=b"},
                        "--vsock: device= is the kernel's and socket= does without it, one is "
                        "accepted"},
           WrongMeaning{{"--cid=3", "--vsock=3"},
                        "--cid: --vsock is given too; its cid= says the same"},
           WrongMeaning{{"--vhost-vsock-fd=3"}, "--vhost-vsock-fd needs --cid"}));

INSTANTIATE_TEST_SUITE_P(
    Balloon, WrongMeanings,
    Values(WrongMeaning{{"--init-mem=257"},
                        "--init-mem: 257 MiB is more than --mem: at most 256 MiB are accepted"},
           WrongMeaning{{"--no-balloon", "--init-mem=64"},
                        "--init-mem needs the balloon that --no-balloon leaves out"},
           WrongMeaning{{"--no-balloon", "--balloon-control=/s"},
                        "--balloon-control needs the balloon that --no-balloon leaves out"},
           WrongMeaning{{"--no-balloon", "--balloon-page-reporting"},
                        "--balloon-page-reporting needs the balloon that --no-balloon leaves "
                        "out"}));

}  // namespace
}  // namespace touchstone
