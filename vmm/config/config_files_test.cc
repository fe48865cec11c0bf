#include "vmm/config/config_files.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "devices/module/dynamic_message.h"
#include "devices/module/text_proto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/config/config_schema.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class ConfigFilesTest : public testing::Test {
 protected:
  ConfigFiles Files() {
    return ConfigFiles(
        [this](const std::string& path) -> absl::StatusOr<std::string> {
          const auto found = contents_.find(path);
          if (found == contents_.end()) {
            return absl::NotFoundError(absl::StrCat("open ", path, ": No such file or directory"));
          }
          return found->second;
        },
        &refused_);
  }

  // What Load says of the file.
  std::string Complaint(const std::string& path) {
    DynamicMessage line(SchemaOf<RunConfig>());
    return std::string(Files().Load(path, line).message());
  }

  std::map<std::string, std::string> contents_;
  RefusedOptions refused_;
  std::vector<std::string> warnings_;
};

DynamicMessage Config(const std::string& text_proto) {
  DynamicMessage config(SchemaOf<RunConfig>());
  EXPECT_EQ(ReadTextProto(text_proto, config), absl::OkStatus()) << text_proto;
  return config;
}

// The example of crosvm.md 4.3.
TEST_F(ConfigFilesTest, MergesFilesInOrderThenTheCommandLine) {
  contents_["a"] = R"({"mem": {"size": 4096}, "kernel": "/k", "params": ["first"]})";
  contents_["b"] = R"({"mem": {"size": 8192}, "params": ["second"]})";
  ConfigFiles files = Files();
  DynamicMessage line =
      Config("cfg: 'a' cfg: 'b' mem { size: 2048 } params: 'third' params: 'fourth'");

  ASSERT_TRUE(files.Load("a", line).ok());
  ASSERT_TRUE(files.Load("b", line).ok());
  files.Finish(line, warnings_);

  EXPECT_EQ(
      WriteTextProto(line),
      WriteTextProto(Config("mem { size: 2048 } kernel: '/k' params: 'first' params: 'second' "
                            "params: 'third' params: 'fourth'")));
}

TEST_F(ConfigFilesTest, TheFirstBusLockRatelimitCounts) {
  contents_["a"] = R"({"bus-lock-ratelimit": 10, "cfg": ["b"]})";
  contents_["b"] = R"({"params": ["b"]})";
  contents_["c"] = R"({"bus-lock-ratelimit": 20})";
  ConfigFiles files = Files();
  DynamicMessage line = Config("bus_lock_ratelimit: 30");
  DynamicMessage only_line = Config("bus_lock_ratelimit: 30");

  ASSERT_TRUE(files.Load("a", line).ok());
  ASSERT_TRUE(files.Load("c", line).ok());
  files.Finish(line, warnings_);
  Files().Finish(only_line, warnings_);

  EXPECT_EQ(WriteTextProto(line), WriteTextProto(Config("params: 'b' bus_lock_ratelimit: 10")));
  EXPECT_EQ(WriteTextProto(only_line), WriteTextProto(Config("bus_lock_ratelimit: 30")));
}

TEST_F(ConfigFilesTest, CoreSchedulingIsForTheCommandLine) {
  contents_["off"] = R"({"core-scheduling": false})";
  contents_["on"] = R"({"core-scheduling": true})";
  for (const auto& [file, given] :
       {std::pair("off", "core_scheduling: false"), std::pair("on", "core_scheduling: true"),
        std::pair("on", "")}) {
    ConfigFiles files = Files();
    DynamicMessage line = Config(given);
    ASSERT_TRUE(files.Load(file, line).ok());
    files.Finish(line, warnings_);
    EXPECT_EQ(WriteTextProto(line), WriteTextProto(Config(given)));
  }
  EXPECT_THAT(warnings_, IsEmpty());

  ConfigFiles files = Files();
  DynamicMessage line = Config("");
  ASSERT_TRUE(files.Load("off", line).ok());
  files.Finish(line, warnings_);

  EXPECT_EQ(WriteTextProto(line), "");
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("core-scheduling")));
}

TEST_F(ConfigFilesTest, ReplacesAnOptionWhole) {
  contents_["a"] = R"({"vsock": {"cid": 3, "socket": "/s"}})";
  ConfigFiles files = Files();
  DynamicMessage line = Config("vsock { cid: 4 }");

  ASSERT_TRUE(files.Load("a", line).ok());
  files.Finish(line, warnings_);

  EXPECT_EQ(WriteTextProto(line), WriteTextProto(Config("vsock { cid: 4 }")));
}

TEST_F(ConfigFilesTest, LettersDisksInTheOrderInWhichTheyAreRead) {
  contents_["a"] = R"({"block": [{"path": "b"}, {"path": "c"}]})";
  ConfigFiles files = Files();
  DynamicMessage line = Config("block { path: 'a' }");

  ASSERT_TRUE(files.Load("a", line).ok());
  line.MergeFrom(Config("block { path: 'd' }"));
  files.Finish(line, warnings_);

  EXPECT_EQ(
      WriteTextProto(line),
      WriteTextProto(Config(
          "block { path: 'a' } block { path: 'b' } block { path: 'c' } block { path: 'd' }")));
}

TEST_F(ConfigFilesTest, ReadsIncludedFilesFirst) {
  contents_["outer"] = R"({"params": ["outer"], "cfg": ["one", "two"], "initrd": "outer"})";
  contents_["one"] = R"({"params": ["one"], "initrd": "one", "kernel": "one"})";
  contents_["two"] = R"({"params": ["two"], "kernel": "two"})";
  ConfigFiles files = Files();
  DynamicMessage line(SchemaOf<RunConfig>());

  ASSERT_TRUE(files.Load("outer", line).ok());
  files.Finish(line, warnings_);

  EXPECT_EQ(WriteTextProto(line),
            WriteTextProto(Config(
                "kernel: 'two' initrd: 'outer' params: 'one' params: 'two' params: 'outer'")));
}

TEST_F(ConfigFilesTest, ReadsTextProtosToo) {
  contents_["a"] = "# mine\nkernel: '/k' mem { size: 512 }\ncfg: 'b'";
  contents_["b"] = " {\"serial\": [{\"type\": \"stdout\", \"console\": true}]}";
  ConfigFiles files = Files();
  DynamicMessage line(SchemaOf<RunConfig>());

  ASSERT_TRUE(files.Load("a", line).ok());
  files.Finish(line, warnings_);

  EXPECT_EQ(WriteTextProto(line),
            WriteTextProto(
                Config("kernel: '/k' mem { size: 512 } serial { type: STDOUT console: true }")));
}

TEST_F(ConfigFilesTest, RemembersRefusedOptions) {
  contents_["a"] =
      R"({"kernel": "/k", "gpu": {"backend": "2d"}, "cpu-capacity": "0=1", "pvclock": null})";
  ConfigFiles files = Files();
  DynamicMessage line(SchemaOf<RunConfig>());
  std::vector<std::string> errors;

  ASSERT_TRUE(files.Load("a", line).ok());
  files.Finish(line, warnings_);
  refused_.AppendErrors(errors);

  EXPECT_EQ(WriteTextProto(line), WriteTextProto(Config("kernel: '/k'")));
  EXPECT_THAT(errors, ElementsAre("--cpu-capacity: not on this platform: aarch64 only",
                                  "--gpu: not implemented yet"));
}

TEST_F(ConfigFilesTest, NamesFileLineAndOptionOfAnError) {
  contents_["bad.json"] =
      "{\n  \"mem\": {\"size\": 1},\n  \"serial\": [{}, {\"typ\": \"file\"}]\n}";
  contents_["bad.txt"] = "kernel: 'k'\nmem { sise: 3 }\n";
  contents_["dump.json"] = R"({"dump-cfg": "-"})";
  contents_["includes.json"] = R"({"cfg": ["bad.json"]})";

  EXPECT_THAT(Complaint("bad.json"),
              StartsWith("bad.json: line 3: serial[1]: unknown key 'typ', the keys are type, "));
  EXPECT_THAT(Complaint("bad.json"), HasSubstr("(did you mean type?)"));
  EXPECT_THAT(Complaint("bad.txt"), StartsWith("bad.txt: line 2: "));
  EXPECT_THAT(Complaint("bad.txt"), HasSubstr("sise"));
  EXPECT_EQ(Complaint("dump.json"), "dump.json: dump-cfg is for the command line");
  EXPECT_THAT(Complaint("includes.json"), StartsWith("bad.json: line 3: "));
  EXPECT_EQ(Complaint("none.json"), "open none.json: No such file or directory");
}

TEST_F(ConfigFilesTest, RefusesFilesThatIncludeThemselvesOrTooMany) {
  contents_["a"] = R"({"cfg": ["b"]})";
  contents_["b"] = R"({"cfg": ["c"]})";
  contents_["c"] = R"({"cfg": ["b"]})";
  contents_["fan"] = "{\"cfg\": [";
  for (int i = 0; i < 300; ++i) contents_["fan"] += i == 0 ? "\"x\"" : ", \"x\"";
  contents_["fan"] += "]}";
  contents_["x"] = "{}";

  EXPECT_EQ(Complaint("a"), "b includes itself: a > b > c > b");
  EXPECT_EQ(Complaint("fan"), "x: more than 256 files are given");
}

}  // namespace
}  // namespace touchstone
