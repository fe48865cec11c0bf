// What reading a configuration costs: a long command line, which has a millisecond, and the
// key=value language and JSON from 1 KiB to 1 MiB, whose time per byte must not grow; and
// `touchstone --help` as a process, which has 20 ms.

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/log.h"
#include "benchmark/benchmark.h"
#include "devices/module/text_proto.h"
#include "vmm/config/command_line.h"
#include "vmm/config/config.pb.h"
#include "vmm/config/config_schema.h"
#include "vmm/config/defaults.h"
#include "vmm/config/help.h"
#include "vmm/config/json_reader.h"
#include "vmm/config/key_value.h"
#include "vmm/config/key_value_test.pb.h"
#include "vmm/config/key_value_test_schema.h"
#include "vmm/config/validate.h"

namespace touchstone {
namespace {

// 40 options: four ports, the single ones, and parameters.
std::vector<std::string> LongCommandLine() {
  std::vector<std::string> line = {
      "--mem=size=4096", "--cpus=num-cores=4", "--initrd=/boot/initrd.img",
      "--no-rtc",        "--no-i8042",         "--kvm-device=/dev/kvm"};
  for (int num = 1; num <= 4; ++num) {
    line.push_back(absl::StrCat("--serial=type=file,path=/var/log/guest.", num,
                                ",hardware=serial,num=", num, ",out-timestamp"));
  }
  while (line.size() < 40)
    line.push_back(absl::StrCat("--params=module.parameter", line.size(), "=value"));
  line.push_back("/boot/vmlinuz");
  return line;
}

void BM_CommandLineOf40Options(benchmark::State& state) {
  const std::vector<std::string> strings = LongCommandLine();
  const std::vector<absl::string_view> line(strings.begin(), strings.end());
  for (auto _ : state) {
    RunConfig config;
    CHECK(ParseCommandLine(line, config).ok());
    benchmark::DoNotOptimize(config);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(line.size()));
}
BENCHMARK(BM_CommandLineOf40Options);

void BM_ValidateAndApplyDefaults(benchmark::State& state) {
  const std::vector<std::string> strings = LongCommandLine();
  const std::vector<absl::string_view> line(strings.begin(), strings.end());
  RunConfig parsed;
  CHECK(ParseCommandLine(line, parsed).ok());
  const HostLimits host = ReadHostLimits(parsed);
  for (auto _ : state) {
    RunConfig config = parsed;
    CHECK(Validate(config, host).empty());
    ApplyDefaults(config);
    benchmark::DoNotOptimize(config);
  }
}
BENCHMARK(BM_ValidateAndApplyDefaults);

void BM_Help(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(OptionsHelp({SchemaOf<RunConfig>()}));
}
BENCHMARK(BM_Help);

void ParseTexts(benchmark::State& state, const std::string& text) {
  for (auto _ : state) {
    TestForms forms;
    CHECK(ParseKeyValue(text, forms).ok());
    benchmark::DoNotOptimize(forms);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
  state.SetComplexityN(static_cast<int64_t>(text.size()));
}

void BM_KeyValueStructs(benchmark::State& state) {
  std::string text = "structs=[";
  while (text.size() + 2 < static_cast<size_t>(state.range(0))) text += "[u=12,v=true],";
  ParseTexts(state, text + "]");
}
BENCHMARK(BM_KeyValueStructs)
    ->RangeMultiplier(32)
    ->Range(1 << 10, 1 << 20)
    ->Complexity(benchmark::oN);

void BM_KeyValueString(benchmark::State& state) {
  ParseTexts(state, absl::StrCat("needy=[must=\"",
                                 std::string(static_cast<size_t>(state.range(0)), 'x'), "\"]"));
}
BENCHMARK(BM_KeyValueString)
    ->RangeMultiplier(32)
    ->Range(1 << 10, 1 << 20)
    ->Complexity(benchmark::oN);

void ReadJsonTexts(benchmark::State& state, const std::string& text) {
  for (auto _ : state) {
    RunConfig config;
    CHECK(ReadJson(text, config).ok());
    benchmark::DoNotOptimize(config);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
  state.SetComplexityN(static_cast<int64_t>(text.size()));
}

void BM_JsonStructs(benchmark::State& state) {
  std::string text = "{\"serial\": [";
  while (text.size() + 3 < static_cast<size_t>(state.range(0))) {
    absl::StrAppend(&text, text.back() == '[' ? "" : ",\n",
                    "{\"type\": \"file\", \"path\": \"/l\"}");
  }
  ReadJsonTexts(state, text + "]}");
}
BENCHMARK(BM_JsonStructs)->RangeMultiplier(32)->Range(1 << 10, 1 << 20)->Complexity(benchmark::oN);

void BM_JsonString(benchmark::State& state) {
  ReadJsonTexts(state, absl::StrCat("{\"kernel\": \"",
                                    std::string(static_cast<size_t>(state.range(0)), 'x'), "\"}"));
}
BENCHMARK(BM_JsonString)->RangeMultiplier(32)->Range(1 << 10, 1 << 20)->Complexity(benchmark::oN);

void BM_TextProto(benchmark::State& state) {
  std::string text;
  while (text.size() < static_cast<size_t>(state.range(0))) text += "params: 'a=b'\n";
  for (auto _ : state) {
    RunConfig config;
    CHECK(ReadTextProto(text, config).ok());
    benchmark::DoNotOptimize(config);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
  state.SetComplexityN(static_cast<int64_t>(text.size()));
}
BENCHMARK(BM_TextProto)->RangeMultiplier(32)->Range(1 << 10, 1 << 20)->Complexity(benchmark::oN);

// A whole process, from its start to its end.
void RunProcess(benchmark::State& state, std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "vmm/touchstone");
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_WRONLY, 0);
  }
  for (auto _ : state) {
    pid_t child = 0;
    int status = 0;
    const int failed = posix_spawn(&child, arguments[0], &actions, nullptr,
                                   const_cast<char**>(arguments.data()), environ);
    if (failed != 0 || waitpid(child, &status, 0) != child) {
      state.SkipWithError("vmm/touchstone does not start; run this by ci/bazel run");
      break;
    }
  }
  posix_spawn_file_actions_destroy(&actions);
}

void BM_HelpProcess(benchmark::State& state) { RunProcess(state, {"--help"}); }
BENCHMARK(BM_HelpProcess)->UseRealTime()->Unit(benchmark::kMillisecond);

void BM_RunHelpProcess(benchmark::State& state) { RunProcess(state, {"run", "--help"}); }
BENCHMARK(BM_RunHelpProcess)->UseRealTime()->Unit(benchmark::kMillisecond);

// As far as a run gets without a kernel: the command line is read and checked.
void BM_40OptionsProcess(benchmark::State& state) {
  std::vector<std::string> line = LongCommandLine();
  line.back() = "/nonexistent";
  std::vector<const char*> arguments = {"run"};
  for (const std::string& argument : line) arguments.push_back(argument.c_str());
  RunProcess(state, arguments);
}
BENCHMARK(BM_40OptionsProcess)->UseRealTime()->Unit(benchmark::kMillisecond);

// The worst that can be done to a reader that reports errors: one long unknown key.
void BM_KeyValueUnknownKey(benchmark::State& state) {
  const std::string text(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    TestForms forms;
    CHECK(!ParseKeyValue(text, forms).ok());
  }
  state.SetComplexityN(state.range(0));
}
BENCHMARK(BM_KeyValueUnknownKey)
    ->RangeMultiplier(32)
    ->Range(1 << 10, 1 << 20)
    ->Complexity(benchmark::oN);

}  // namespace
}  // namespace touchstone
