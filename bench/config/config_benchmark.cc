// What reading a configuration costs: a long command line, and the key=value language from 1 KiB to
// 1 MiB, whose time per byte must not grow.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/log.h"
#include "benchmark/benchmark.h"
#include "vmm/config/command_line.h"
#include "vmm/config/config.pb.h"
#include "vmm/config/defaults.h"
#include "vmm/config/help.h"
#include "vmm/config/key_value.h"
#include "vmm/config/key_value_test.pb.h"
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
  const HostLimits host = ReadHostLimits();
  for (auto _ : state) {
    RunConfig config = parsed;
    CHECK(Validate(config, host).empty());
    ApplyDefaults(config);
    benchmark::DoNotOptimize(config);
  }
}
BENCHMARK(BM_ValidateAndApplyDefaults);

void BM_Help(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(OptionsHelp(RunConfig::descriptor()));
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
