#include "vmm/config/command_line.h"

#include <string>
#include <vector>

#include "devices/module/text_proto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/config/config.pb.h"
#include "vmm/config/config_schema.h"
#include "vmm/config/key_value_test.pb.h"
#include "vmm/config/key_value_test_schema.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;
using ::testing::Values;

using Line = std::vector<absl::string_view>;

struct AcceptCase {
  Line line;
  const char* expected;  // as a text proto
};

struct RejectCase {
  Line line;
  const char* error;  // all of it
};

class RunLineAccepted : public testing::TestWithParam<AcceptCase> {};

TEST_P(RunLineAccepted, Reads) {
  RunConfig expected;
  RunConfig config;
  ASSERT_TRUE(ReadTextProto(GetParam().expected, expected).ok());

  const absl::Status status = ParseCommandLine(GetParam().line, config);

  EXPECT_EQ(status, absl::OkStatus());
  EXPECT_EQ(WriteTextProto(config), WriteTextProto(expected));
}

INSTANTIATE_TEST_SUITE_P(
    Values, RunLineAccepted,
    Values(AcceptCase{{}, ""}, AcceptCase{{"vmlinux"}, "kernel: 'vmlinux'"},
           AcceptCase{{"--mem", "512"}, "mem { size: 512 }"},
           AcceptCase{{"--mem=512"}, "mem { size: 512 }"},
           AcceptCase{{"-m", "512"}, "mem { size: 512 }"},
           AcceptCase{{"-m=0x200"}, "mem { size: 512 }"},
           AcceptCase{{"--mem", "size=512"}, "mem { size: 512 }"},
           AcceptCase{{"--mem=size=512"}, "mem { size: 512 }"}, AcceptCase{{"--mem", ""}, "mem {}"},
           AcceptCase{{"--mem="}, "mem {}"}, AcceptCase{{"--cpus", ""}, "cpus {}"},
           AcceptCase{{"-c", "num-cores=4000000000"}, "cpus { num_cores: 4000000000 }"},
           AcceptCase{{"--serial", ""}, "serial {}"},
           AcceptCase{{"-p", "quiet", "-p=root=/dev/vda"}, "params: ['quiet', 'root=/dev/vda']"},
           AcceptCase{{"--params", ""}, "params: ''"}, AcceptCase{{"--params="}, "params: ''"},
           AcceptCase{{"-p", "-x=1"}, "params: '-x=1'"},
           AcceptCase{{"-p", "--mem"}, "params: '--mem'"},
           AcceptCase{{"--kvm-device", "/dev/kvm2"}, "kvm_device: '/dev/kvm2'"},
           AcceptCase{{"-i", "/initrd"}, "initrd: '/initrd'"},
           AcceptCase{{"--no-rtc", "--no-i8042"}, "no_rtc: true no_i8042: true"},
           AcceptCase{{"--log-level", "warn,serial=debug"}, "log_level: 'warn,serial=debug'"},
           AcceptCase{{"--no-rtc", "k"}, "no_rtc: true kernel: 'k'"},
           AcceptCase{{"k", "--no-rtc"}, "no_rtc: true kernel: 'k'"},
           AcceptCase{{"-"}, "kernel: '-'"}, AcceptCase{{"--", "-k"}, "kernel: '-k'"},
           AcceptCase{{"--no-rtc", "--"}, "no_rtc: true"}, AcceptCase{{"a=b"}, "kernel: 'a=b'"}));

INSTANTIATE_TEST_SUITE_P(
    Serial, RunLineAccepted,
    Values(AcceptCase{{"--serial", "stdout"}, "serial { type: STDOUT }"},
           AcceptCase{{"--serial", "type=file,path=/tmp/a,hardware=serial,num=2,console,earlycon"},
                      "serial { type: FILE path: '/tmp/a' hardware: SERIAL num: 2 console: true "
                      "earlycon: true }"},
           AcceptCase{{"--serial", "sink,hardware=debugcon,debugcon-port=0x403"},
                      "serial { type: SINK hardware: DEBUGCON debugcon_port: 0x403 }"},
           AcceptCase{{"--serial", "sink,debugcon_port=1,out_timestamp"},
                      "serial { type: SINK debugcon_port: 1 out_timestamp: true }"},
           AcceptCase{
               {"--serial", "stdout,out-timestamp,stdin,name=a,input=/b"},
               "serial { type: STDOUT out_timestamp: true stdin: true name: 'a' input: '/b' }"},
           AcceptCase{{"--serial", "sink", "--serial=type=sink,num=2"},
                      "serial { type: SINK } serial { type: SINK num: 2 }"},
           AcceptCase{{"--serial", "type=stdout,hardware=virtio-console"},
                      "serial { type: STDOUT hardware: VIRTIO_CONSOLE }"}));

// crosvm.md 1.4: one list, in the order of the command line.
INSTANTIATE_TEST_SUITE_P(
    OlderDisks, RunLineAccepted,
    Values(AcceptCase{{"--disk", "a"}, "block { path: 'a' ro: true }"},
           AcceptCase{{"-d=a,id=A", "-d", "path=b"},
                      "block { path: 'a' ro: true id: 'A' } block { path: 'b' ro: true }"},
           AcceptCase{{"--disk=a,ro=false"}, "block { path: 'a' ro: true }"},
           AcceptCase{{"--rwdisk", "a"}, "block { path: 'a' ro: false }"},
           AcceptCase{{"-r", "a"}, "block { path: 'a' ro: true root: true }"},
           AcceptCase{{"--rwroot=a"}, "block { path: 'a' ro: false root: true }"},
           AcceptCase{{"--rwdisk=a", "--block=b", "--root=c", "-d=d"},
                      "block { path: 'a' ro: false } block { path: 'b' } "
                      "block { path: 'c' ro: true root: true } block { path: 'd' ro: true }"}));

TEST(RunLine, OlderOptionsAreWarnedOf) {
  RunConfig config;
  std::vector<std::string> warnings;

  ASSERT_EQ(
      ParseCommandLine({"--block=a", "-d", "b", "--rwroot=c"}, config, {.warnings = &warnings}),
      absl::OkStatus());

  EXPECT_THAT(warnings, testing::ElementsAre("--disk is deprecated: use --block PATH,ro",
                                             "--rwroot is deprecated: use --block PATH,root"));
}

// crosvm.md 1.5.
INSTANTIATE_TEST_SUITE_P(
    Block, RunLineAccepted,
    Values(AcceptCase{{"--block", "disk.img"}, "block { path: 'disk.img' }"},
           AcceptCase{{"-b", "path=disk.img"}, "block { path: 'disk.img' }"},
           AcceptCase{{"--block", "disk.img,ro", "--block=b"},
                      "block { path: 'disk.img' ro: true } block { path: 'b' }"},
           AcceptCase{{"--block", "disk.img,ro=true,root"},
                      "block { path: 'disk.img' ro: true root: true }"},
           AcceptCase{{"--block", "disk.img,sparse=false,block-size=4096,id=DISK1"},
                      "block { path: 'disk.img' sparse: false block_size: 4096 id: 'DISK1' }"},
           AcceptCase{{"--block", "disk.img,o_direct,async-executor=uring"},
                      "block { path: 'disk.img' direct: true async_executor: URING }"},
           AcceptCase{{"--block", "disk.img,direct,block_size=512,async_executor=epoll"},
                      "block { path: 'disk.img' direct: true block_size: 512 async_executor: EPOLL "
                      "}"},
           AcceptCase{{"--block", "disk.img,packed-queue,multiple-workers,lock=false"},
                      "block { path: 'disk.img' packed_queue: true multiple_workers: true lock: "
                      "false }"},
           AcceptCase{{"--async-executor", "uring"}, "async_executor: URING"}));

class RunLineRejected : public testing::TestWithParam<RejectCase> {};

TEST_P(RunLineRejected, WithOneLine) {
  RunConfig config;

  const absl::Status status = ParseCommandLine(GetParam().line, config);

  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(std::string(status.message()), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    Options, RunLineRejected,
    Values(RejectCase{{"--memm", "512"}, "unknown option '--memm' (did you mean --mem?)"},
           RejectCase{{"--memm=512"}, "unknown option '--memm' (did you mean --mem?)"},
           RejectCase{{"--no_rtc"}, "unknown option '--no_rtc' (did you mean --no-rtc?)"},
           RejectCase{{"-mem", "1"}, "unknown option '-mem' (did you mean --mem?)"},
           RejectCase{{"-x"}, "unknown option '-x'; --help lists the options"},
           RejectCase{{"--kernel", "k"}, "unknown option '--kernel'; --help lists the options"},
           RejectCase{{"---"}, "unknown option '---'; --help lists the options"},
           RejectCase{{"--="}, "unknown option '--'; --help lists the options"},
           RejectCase{{"-="}, "unknown option '-'; --help lists the options"},
           RejectCase{{"--mem"}, "--mem needs a value: --mem size=MiB"},
           RejectCase{{"-d"}, "--disk needs a value: --disk KEY=VALUE,..."},
           RejectCase{
               {"--rwroot", "a,foo"},
               "--rwroot: unknown key 'foo', the keys are path, ro, root, sparse, block-size, "
               "id, direct, multiple-workers, async-executor, packed-queue, lock, bootindex, "
               "pci-address, dontcache at position 2"},
           RejectCase{{"-p"}, "--params needs a value: --params PARAMS"},
           RejectCase{{"--no-rtc=true"},
                      "--no-rtc is a switch and takes no value, but 'true' is given"},
           RejectCase{{"--mem=1", "-m", "2"}, "--mem is given twice, but accepted once"},
           RejectCase{{"--mem=", "--mem="}, "--mem is given twice, but accepted once"},
           RejectCase{{"--no-rtc", "--no-rtc"}, "--no-rtc is given twice, but accepted once"},
           RejectCase{{"a", "b"}, "unexpected argument 'b'; KERNEL is already 'a'"}));

INSTANTIATE_TEST_SUITE_P(
    Contents, RunLineRejected,
    Values(
        RejectCase{
            {"--mem", "512M"},
            "--mem: key 'size': '512M' is not a number of MiB from 0 to 18446744073709551615 at "
            "position 0"},
        RejectCase{{"--mem", "size=512,foo"},
                   "--mem: unknown key 'foo', the keys are size at position 9"},
        RejectCase{
            {"--mem=-1"},
            "--mem: key 'size': '-1' is not a number of MiB from 0 to 18446744073709551615 at "
            "position 0"},
        RejectCase{{"-c", "4294967296"},
                   "--cpus: key 'num-cores': '4294967296' is not a number from 0 to 4294967295 at "
                   "position 0"},
        RejectCase{{"--serial", "type=stdoot"},
                   "--serial: key 'type': 'stdoot' is not one of file, stdout, sink, syslog, unix, "
                   "unix-stream (did you mean "
                   "stdout?) at position 5"},
        RejectCase{{"--serial", "sink,debugcon-port=65536"},
                   "--serial: key 'debugcon-port': '65536' is not a number from 0 to 65535 at "
                   "position 19"}));

INSTANTIATE_TEST_SUITE_P(
    Block, RunLineRejected,
    Values(RejectCase{{"--block", ""}, "--block: key 'path' is missing"},
           RejectCase{{"--block", "disk.img,ro=yes"},
                      "--block: key 'ro': 'yes' is not true or false at position 12"},
           RejectCase{{"--block", "disk.img,ro,ro"},
                      "--block: key 'ro' is given twice at position 12"},
           RejectCase{
               {"--block", "disk.img,foo=1"},
               "--block: unknown key 'foo', the keys are path, ro, root, sparse, block-size, id, "
               "direct, multiple-workers, async-executor, packed-queue, lock, bootindex, "
               "pci-address, dontcache at position 9"}));

TEST(CommandLine, TakesBoolValuesRangesAndPlainValues) {
  TestOptions options;

  const absl::Status status =
      ParseCommandLine({"--core-scheduling", "false", "--cpu=0,2-3,7", "--bias=-5",
                        "--color=dark-blue", "--words", "a", "--inner", "3,v", "--inner=", "there"},
                       options);

  EXPECT_EQ(status, absl::OkStatus());
  EXPECT_EQ(WriteTextProto(options),
            "target: \"there\" word: \"a\" core_scheduling: false cpu: 0 cpu: 2 cpu: 3 cpu: 7 "
            "bias: -5 color: DARK_BLUE inner { u: 3 v: true } inner { }");
}

TEST(CommandLine, RefusesAListOfRangesTwice) {
  TestOptions options;

  EXPECT_EQ(ParseCommandLine({"--cpu=0", "--cpu=7"}, options).message(),
            "--cpu is given twice, but accepted once");
}

TEST(CommandLine, RefusesWhatPlainValuesDoNotAccept) {
  TestOptions options;

  EXPECT_EQ(ParseCommandLine({"--core-scheduling=yes"}, options).message(),
            "--core-scheduling: 'yes' is not true or false");
  EXPECT_EQ(ParseCommandLine({"--core-scheduling"}, options).message(),
            "--core-scheduling needs a value: --core-scheduling true|false");
  EXPECT_EQ(ParseCommandLine({"--bias=1.5"}, options).message(),
            "--bias: '1.5' is not a number from -2147483648 to 2147483647");
  EXPECT_EQ(ParseCommandLine({"--color=pink"}, options).message(),
            "--color: 'pink' is not one of red, dark-blue, 3rd_colour");
  EXPECT_THAT(std::string(ParseCommandLine({"--cpu=1,"}, options).message()),
              HasSubstr("--cpu: '' is not a number"));
}

TEST(CommandLine, KeepsTheMissingKeyOfAStructInItsError) {
  TestOptions options;

  EXPECT_EQ(ParseCommandLine({"-s", ""}, options).message(), "--s: key 'path' is missing");
}

TEST(LeadingOptions, StopAtTheSubCommand) {
  GlobalConfig global;

  const absl::StatusOr<size_t> index = ParseLeadingOptions(
      {"--extended-status", "--log-level", "debug", "run", "--mem", "1"}, global);

  EXPECT_EQ(index.value(), 3u);
  EXPECT_TRUE(global.extended_status());
  EXPECT_EQ(global.log_level(), "debug");
}

TEST(LeadingOptions, MayBeAllThereIs) {
  GlobalConfig global;

  EXPECT_EQ(ParseLeadingOptions({"--version"}, global).value(), 1u);
  EXPECT_EQ(ParseLeadingOptions({}, global).value(), 0u);
}

TEST(LeadingOptions, RefuseOptionsOfSubCommands) {
  GlobalConfig global;

  EXPECT_EQ(ParseLeadingOptions({"--mem", "1", "run"}, global).status().message(),
            "unknown option '--mem'; --help lists the options");
}

TEST(AsksForHelp, FindsItAnywhereBeforeTheOperands) {
  EXPECT_TRUE(AsksForHelp({"run", "--bogus", "-h"}));
  EXPECT_TRUE(AsksForHelp({"--help"}));
  EXPECT_FALSE(AsksForHelp({"run", "--", "--help"}));
  EXPECT_FALSE(AsksForHelp({"run", "--params=--help", "help"}));
  EXPECT_FALSE(AsksForHelp({}));
}

}  // namespace
}  // namespace touchstone
