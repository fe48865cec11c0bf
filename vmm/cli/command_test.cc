#include "vmm/cli/command.h"

#include <errno.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/log.h"
#include "devices/module/text_proto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/cli/version.h"
#include "vmm/config/config_schema.h"
#include "vmm/control/control.pb.h"

namespace touchstone {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::testing::Values;

// Runs command lines against a machine that only remembers its configuration.
class CommandTest : public testing::Test {
 protected:
  ~CommandTest() override { EXPECT_TRUE(SetLogLevels("info").ok()); }

  int Run(const std::vector<absl::string_view>& arguments) {
    return Main(arguments,
                {.out = [this](absl::string_view text) { out_ += std::string(text); },
                 .err = [this](absl::string_view text) { err_ += std::string(text); },
                 .run =
                     [this](const RunConfig& config) {
                       config_ = config;
                       return result_;
                     },
                 .run_devices =
                     [this](const std::vector<DeviceLine>& lines) {
                       device_ = lines.front();
                       return device_result_;
                     },
                 .send_control =
                     [this](const std::string& socket, const ControlRequest& request) {
                       socket_ = socket;
                       request_ = request;
                       return response_;
                     },
                 .take_snapshot =
                     [this](const SnapshotOrder& order, const ControlProgress& progress) {
                       snapshot_ = order.path;
                       ControlResponse half;
                       half.set_done(1);
                       half.set_total(2);
                       progress(half);
                       return response_;
                     },
                 .terminal = [this](absl::string_view text) { terminal_ += std::string(text); },
                 .read_file = [this](const std::string& path) -> absl::StatusOr<std::string> {
                   if (files_.count(path) == 0) return absl::NotFoundError("no " + path);
                   return files_[path];
                 },
                 .write_file =
                     [this](const std::string& path, absl::string_view text) {
                       if (path == "/full") return absl::DataLossError("write /full: full");
                       files_[path] = std::string(text);
                       return absl::OkStatus();
                     },
                 .start_system_log =
                     [this](absl::string_view tag) {
                       tags_.emplace_back(tag);
                       return tag == "none" ? absl::NotFoundError("/dev/log") : absl::OkStatus();
                     }});
  }

  std::map<std::string, std::string> files_;
  std::vector<std::string> tags_;
  std::string out_;
  std::string err_;
  std::optional<RunConfig> config_;
  absl::StatusOr<ExitCode> result_ = ExitCode::kOk;
  std::optional<DeviceLine> device_;
  absl::Status device_result_;
  std::string socket_;
  std::string snapshot_;
  std::string terminal_;
  ControlRequest request_;
  absl::StatusOr<ControlResponse> response_ = ControlResponse();
};

TEST_F(CommandTest, RunHandsAValidConfigurationWithDefaultsToTheMachine) {
  const int code = Run({"run", "--mem=512", "-c", "2", "-p", "quiet", "/vmlinux"});

  EXPECT_EQ(code, 0);
  EXPECT_EQ(err_, "");
  EXPECT_EQ(out_, "");
  ASSERT_TRUE(config_.has_value());
  EXPECT_EQ(config_->kernel(), "/vmlinux");
  EXPECT_EQ(config_->mem().size(), 512u);
  EXPECT_EQ(config_->cpus().num_cores(), 2u);
  EXPECT_EQ(config_->serial_size(), 4);
}

TEST_F(CommandTest, DeviceServesADevice) {
  EXPECT_EQ(Run({"device", "rng", "--socket-path=/s"}), 0);
  ASSERT_TRUE(device_.has_value());
  EXPECT_EQ(device_->socket_path, "/s");
  device_result_ = absl::InvalidArgumentError("SET_VRING_NUM: there is no ring 9");
  EXPECT_EQ(Run({"device", "rng", "--fd=5"}), 1);
  EXPECT_EQ(err_, "touchstone: device: SET_VRING_NUM: there is no ring 9\n");
}

TEST_F(CommandTest, DeviceRefusesOtherLines) {
  EXPECT_NE(Run({"device", "rng"}), 0);
  EXPECT_FALSE(device_.has_value());
  EXPECT_THAT(err_, HasSubstr("touchstone: device: rng: either --socket-path or --fd"));
  EXPECT_EQ(Run({"device", "block", "--help"}), 0);
  EXPECT_THAT(out_, HasSubstr("Usage: touchstone device block"));
  EXPECT_EQ(Run({"help", "device"}), 0);
  EXPECT_THAT(out_, HasSubstr("TYPE is one of block"));
}

TEST_F(CommandTest, RunReportsAnErrorOfTheMachine) {
  result_ = absl::NotFoundError("open /dev/kvm: No such file or directory");

  const int code = Run({"run", "k"});

  EXPECT_EQ(code, 1);
  EXPECT_EQ(err_, "touchstone: open /dev/kvm: No such file or directory\n");
}

TEST_F(CommandTest, RunReportsEveryInvalidOption) {
  const int code = Run({"run", "--mem=1", "--serial=num=9"});

  EXPECT_EQ(code, 1);
  EXPECT_FALSE(config_.has_value());
  EXPECT_EQ(
      err_,
      "touchstone: no KERNEL is given: there is nothing to run\n"
      "touchstone: --mem: size=1 MiB is too little: a guest needs at least 4 MiB\n"
      "touchstone: --serial: hardware=serial,num=9: there are 4 serial ports, num is 1 to 4\n");
}

TEST_F(CommandTest, SystemLogHasTheTagOfTheOption) {
  EXPECT_EQ(Run({"run", "k"}), 0);
  EXPECT_EQ(Run({"--syslog-tag=global", "run", "k"}), 0);
  EXPECT_EQ(Run({"--syslog-tag=global", "run", "--syslog-tag=own", "k"}), 0);
  EXPECT_EQ(Run({"--no-syslog", "run", "--syslog-tag=own", "k"}), 0);

  EXPECT_EQ(tags_, (std::vector<std::string>{"global", "own"}));
}

TEST_F(CommandTest, MachineRunsWithoutASystemLog) {
  testing::internal::CaptureStderr();

  EXPECT_EQ(Run({"run", "--syslog-tag=none", "k"}), 0);

  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("--syslog-tag: there is no system log: /dev/log"));
}

TEST_F(CommandTest, RefusesOptionsByTheirFate) {
  EXPECT_EQ(Run({"run", "--gpu=backend=2d", "--evdev=/dev/input/event1", "--crash-pipe-name=x",
                 "--hypervisor=whpx", "k"}),
            1);
  EXPECT_EQ(err_,
            "touchstone: --crash-pipe-name: not on this platform: Windows only\n"
            "touchstone: --evdev: not implemented yet\n"
            "touchstone: --gpu: not implemented yet\n"
            "touchstone: --hypervisor: whpx: not on this platform: Windows only\n");
  EXPECT_FALSE(config_.has_value());
}

TEST_F(CommandTest, DumpCfgWritesWhatFilesAndArgumentsSay) {
  files_["a.json"] = R"({"mem": {"size": 64}, "params": ["a"], "kernel": "k"})";

  EXPECT_EQ(Run({"run", "--cfg=a.json", "-p", "b", "--dump-cfg=/out", "--no-rtc"}), 0);

  EXPECT_EQ(files_["/out"], R"({
  "kernel": "k",
  "params": [
    "a",
    "b"
  ],
  "mem": {
    "size": 64
  },
  "no-rtc": true
}
)");
  EXPECT_TRUE(config_.has_value());  // The machine runs all the same.
}

TEST_F(CommandTest, DumpCfgReadBackMakesTheSameMachine) {
  const std::vector<absl::string_view> line = {"run",
                                               "--mem=64",
                                               "--block=a,ro",
                                               "--rwroot=b",
                                               "--net=tap-name=t",
                                               "--vsock=3",
                                               "--serial",
                                               "type=sink",
                                               "--hypervisor=kvm[device=/d]",
                                               "--host-ip=10.0.0.1",
                                               "--netmask=255.0.0.0",
                                               "--mac=52:54:00:12:34:56",
                                               "--async-executor=uring",
                                               "--init-mem=32",
                                               "--dump-cfg=/out",
                                               "k"};
  ASSERT_EQ(Run(line), 0) << err_;
  const RunConfig first = *config_;

  EXPECT_EQ(Run({"run", "--cfg=/out"}), 0) << err_;

  RunConfig expected = first;
  expected.clear_dump_cfg();
  EXPECT_EQ(WriteTextProto(*config_), WriteTextProto(expected));
}

TEST_F(CommandTest, DumpCfgToStandardOutputAndToAFullDisk) {
  EXPECT_EQ(Run({"run", "--dump-cfg", "-", "k"}), 0);
  EXPECT_EQ(out_, "{\n  \"kernel\": \"k\"\n}\n");
  config_.reset();

  EXPECT_EQ(Run({"run", "--dump-cfg", "/full", "k"}), 1);
  EXPECT_EQ(err_, "touchstone: --dump-cfg: write /full: full\n");
  EXPECT_FALSE(config_.has_value());
}

TEST_F(CommandTest, ACfgThatCannotBeReadIsAWrongCommandLine) {
  EXPECT_EQ(Run({"run", "--cfg", "none\nsuch", "k"}), 35);
  EXPECT_EQ(err_, "touchstone: --cfg: no none?such\n");
}

// What they ask for is how every machine is, so that nothing else has to know of them.
TEST_F(CommandTest, TakesOptionsForWhatIsSoAnyway) {
  EXPECT_EQ(Run({"--no-syslog", "run", "--no-usb", "--disable-sandbox", "k"}), 0);

  EXPECT_EQ(err_, "");
  EXPECT_TRUE(config_.has_value());
}

TEST_F(CommandTest, TellsEveryFileThatIsMissing) {
  result_ = absl::NotFoundError("KERNEL: open /no/k: No such file or directory");

  EXPECT_EQ(Run({"run", "--initrd=/no/i", "--kvm-device=/dev/null", "/no/k"}), 1);

  EXPECT_EQ(err_,
            "touchstone: KERNEL: open /no/k: No such file or directory\n"
            "touchstone: --initrd: open /no/i: No such file or directory\n");
}

TEST_F(CommandTest, HelpExplainsAnOptionByAnyOfItsNames) {
  EXPECT_EQ(Run({"help", "--vsock"}), 0);
  EXPECT_THAT(out_, StartsWith("  --vsock KEY=VALUE,...\n"));
  EXPECT_THAT(out_, HasSubstr("        cid=N\n"));
  for (const absl::string_view name : {"-b", "block", "--disk", "-r"}) {
    out_.clear();
    EXPECT_EQ(Run({"help", name}), 0);
    EXPECT_THAT(out_, StartsWith("  -b, --block KEY=VALUE,...\n"));
  }
  out_.clear();
  EXPECT_EQ(Run({"help", "--gpu"}), 0);
  EXPECT_THAT(out_, HasSubstr("(not implemented yet)"));
  EXPECT_THAT(out_, HasSubstr("        displays=[[KEY=VALUE,...],...]\n"));
}

struct ExitCase {
  ExitCode code;
  int plain;
  int extended;
};

class ExitCodes : public CommandTest, public testing::WithParamInterface<ExitCase> {};

// crosvm.md 2.3.
TEST_P(ExitCodes, AreExtendedOnlyWhenAsked) {
  result_ = GetParam().code;

  EXPECT_EQ(Run({"run", "k"}), GetParam().plain);
  EXPECT_EQ(Run({"--extended-status", "run", "k"}), GetParam().extended);
}

INSTANTIATE_TEST_SUITE_P(All, ExitCodes,
                         Values(ExitCase{ExitCode::kOk, 0, 0}, ExitCase{ExitCode::kError, 1, 1},
                                ExitCase{ExitCode::kReset, 0, 32},
                                ExitCase{ExitCode::kCrash, 0, 33},
                                ExitCase{ExitCode::kPanic, 0, 34}));

struct BadLine {
  std::vector<absl::string_view> line;
  const char* error;
};

class BadCommandLine : public CommandTest, public testing::WithParamInterface<BadLine> {};

TEST_P(BadCommandLine, IsOneLineAndExits35) {
  EXPECT_EQ(Run(GetParam().line), 35);
  EXPECT_EQ(err_, GetParam().error);
  EXPECT_EQ(out_, "");
  EXPECT_FALSE(config_.has_value());
}

INSTANTIATE_TEST_SUITE_P(
    All, BadCommandLine,
    Values(
        BadLine{{"stop"},
                "touchstone: stop: VM_SOCKET is missing; the socket of the machine "
                "comes last\n"},
        BadLine{{"stop", "--hard", "/s"}, "touchstone: stop: unknown option '--hard'\n"},
        BadLine{{"snapshot"}, "touchstone: snapshot: take or check is missing\n"},
        BadLine{{"--versoin", "run"},
                "touchstone: unknown option '--versoin' (did you mean --version?)\n"},
        BadLine{{"run", "--memory", "5", "k"},
                "touchstone: unknown option '--memory'; --help lists the options\n"},
        BadLine{
            {"run", "--log-level=loud", "k"},
            "touchstone: --log-level: 'loud' is no log level: off, error, warn, info, debug, trace "
            "or MODULE=LEVEL is accepted\n"},
        BadLine{
            {"--log-level=", "run", "k"},
            "touchstone: --log-level: '' is no log level: off, error, warn, info, debug, trace or "
            "MODULE=LEVEL is accepted\n"},
        BadLine{{"version", "x"}, "touchstone: unexpected argument 'x'\n"},
        BadLine{{"help", "run", "x"}, "touchstone: unexpected argument 'x'\n"},
        BadLine{{"help", "fly"}, "touchstone: there is no sub-command or option 'fly'\n"},
        BadLine{
            {"help", "--blokc"},
            "touchstone: there is no sub-command or option '--blokc' (did you mean block?)\n"}));

TEST_F(CommandTest, WhatCrosvmHasAndThisHasNotSaysSo) {
  EXPECT_EQ(Run({"usb", "attach", "1:2:3:4", "/dev/bus/usb/001/002", "/s"}), 1);
  EXPECT_EQ(out_, "");
  EXPECT_EQ(err_, "touchstone: usb attach: not implemented: machines have no USB controller\n");
}

TEST_F(CommandTest, WithoutASubCommandAllAreNamed) {
  EXPECT_EQ(Run({}), 35);
  EXPECT_THAT(err_, AllOf(StartsWith("touchstone: a sub-command is missing, one of run, stop, "),
                          HasSubstr("version, help; --help explains\n")));
  err_.clear();
  EXPECT_EQ(Run({""}), 35);
  EXPECT_THAT(err_,
              AllOf(StartsWith("touchstone: unknown sub-command '', the sub-commands are run, "),
                    HasSubstr("version, help\n")));
  err_.clear();
  EXPECT_EQ(Run({"rum"}), 35);
  EXPECT_THAT(err_, HasSubstr("help (did you mean run?)\n"));
}

TEST_F(CommandTest, AControlCommandSendsARequestAndIsSilent) {
  EXPECT_EQ(Run({"stop", "/s"}), 0);

  EXPECT_EQ(socket_, "/s");
  EXPECT_EQ(request_.command(), ControlRequest::STOP);
  EXPECT_EQ(out_ + err_, "");
}

TEST_F(CommandTest, AnErrorAnswerIsPrintedAndExplained) {
  response_->set_error(EROFS);
  response_->set_text("the disk is read-only");

  EXPECT_EQ(Run({"stop", "/s"}), 1);

  EXPECT_EQ(out_, "unexpected response: error: Read-only file system\n");
  EXPECT_EQ(err_, "touchstone: stop: the disk is read-only\n");
}

TEST_F(CommandTest, WithoutAMachineAControlCommandOnlyComplains) {
  response_ = absl::NotFoundError("connect to /s: No such file or directory");

  EXPECT_EQ(Run({"stop", "/s"}), 1);

  EXPECT_EQ(out_, "");
  EXPECT_EQ(err_, "touchstone: connect to /s: No such file or directory\n");
}

TEST_F(CommandTest, HelpOfAControlCommandShowsItsOperands) {
  EXPECT_EQ(Run({"stop", "--help"}), 0);
  EXPECT_THAT(out_, StartsWith("Usage: touchstone stop VM_SOCKET\n"));
}

TEST_F(CommandTest, ASnapshotIsTakenWithALineThatShowsHowFarItIs) {
  EXPECT_EQ(Run({"snapshot", "take", "/path", "/s"}), 0);

  EXPECT_EQ(snapshot_, "/path");
  EXPECT_EQ(out_ + err_, "");
  EXPECT_THAT(terminal_, AllOf(HasSubstr("] 50 % of "), EndsWith("\r\x1b[K")));
}

TEST_F(CommandTest, ASnapshotThatIsNotTakenIsExplained) {
  response_->set_error(EOPNOTSUPP);
  response_->set_text("fs: its state is its own");
  EXPECT_EQ(Run({"snapshot", "take", "/path", "/s"}), 1);
  EXPECT_EQ(out_, "unexpected response: error: Operation not supported\n");
  EXPECT_EQ(err_, "touchstone: snapshot: fs: its state is its own\n");

  err_.clear();
  response_ = absl::AlreadyExistsError("/path exists");
  EXPECT_EQ(Run({"snapshot", "take", "/path", "/s"}), 1);
  EXPECT_EQ(err_, "touchstone: snapshot: /path exists\n");
}

TEST_F(CommandTest, WhatASnapshotCannotBeIsAnErrorOfItsOwn) {
  EXPECT_EQ(Run({"snapshot", "restore", "/path", "/s"}), 1);
  EXPECT_THAT(err_, HasSubstr("start another one with run --restore PATH"));
  err_.clear();
  EXPECT_EQ(Run({"snapshot", "check", "/nonexistent"}), 1);
  EXPECT_EQ(err_, "touchstone: snapshot: open /nonexistent/machine: No such file or directory\n");
  EXPECT_EQ(snapshot_, "");
}

TEST_F(CommandTest, LogLevelIsTakenBeforeAndAfterRun) {
  EXPECT_EQ(Run({"--log-level", "debug", "run", "k"}), 0);
  EXPECT_TRUE(LogEnabled(LogLevel::kDebug, "x"));

  EXPECT_EQ(Run({"--log-level", "debug", "run", "--log-level", "error", "k"}), 0);
  EXPECT_FALSE(LogEnabled(LogLevel::kInfo, "x"));
}

TEST_F(CommandTest, VersionIsOneLine) {
  EXPECT_EQ(Run({"--version"}), 0);
  EXPECT_EQ(out_, kVersionLine);
  EXPECT_EQ(Run({"version"}), 0);
  EXPECT_EQ(Run({"--extended-status", "--version"}), 0);
  EXPECT_EQ(err_, "");
}

class HelpLine : public CommandTest,
                 public testing::WithParamInterface<std::vector<absl::string_view>> {};

class RunHelpLine : public HelpLine {};

TEST_P(RunHelpLine, ExplainsRun) {
  EXPECT_EQ(Run(GetParam()), 0);
  EXPECT_THAT(out_, StartsWith("Usage: touchstone run <options> KERNEL\n"));
  EXPECT_THAT(out_, HasSubstr("--serial KEY=VALUE,..."));
  EXPECT_EQ(err_, "");
  EXPECT_FALSE(config_.has_value());
}

using Line = std::vector<absl::string_view>;
INSTANTIATE_TEST_SUITE_P(All, RunHelpLine,
                         Values(Line{"run", "--help"}, Line{"run", "-h"}, Line{"help", "run"},
                                Line{"run", "--bogus", "-h"}, Line{"run", "k", "--help"},
                                Line{"--extended-status", "run", "-h", "k"}));

class GlobalHelpLine : public HelpLine {};

TEST_P(GlobalHelpLine, ListsTheSubCommands) {
  EXPECT_EQ(Run(GetParam()), 0);
  EXPECT_THAT(out_, StartsWith("Usage: touchstone "));
  EXPECT_THAT(
      out_,
      HasSubstr("\n  run <options> KERNEL\n      build a virtual machine and run its kernel\n"));
  EXPECT_THAT(out_, HasSubstr("--extended-status"));
  EXPECT_EQ(err_, "");
}

INSTANTIATE_TEST_SUITE_P(All, GlobalHelpLine,
                         Values(Line{"--help"}, Line{"-h"}, Line{"help"}, Line{"--bogus", "--help"},
                                Line{"bogus", "--help"}));

TEST_F(CommandTest, HelpAfterTheEndOfOptionsIsAnOperand) {
  EXPECT_EQ(Run({"run", "--", "--help"}), 0);

  ASSERT_TRUE(config_.has_value());
  EXPECT_EQ(config_->kernel(), "--help");
}

}  // namespace
}  // namespace touchstone
