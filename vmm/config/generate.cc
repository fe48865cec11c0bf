// What the build makes of the schema: generate page|bash|zsh|fish|man, to standard output.

#include <stdio.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "vmm/cli/command_list.h"
#include "vmm/config/completion.h"
#include "vmm/config/config_schema.h"
#include "vmm/config/man_page.h"
#include "vmm/config/options_page.h"
#include "vmm/config/refused_options.h"

int main(int argc, char** argv) {
  using touchstone::GlobalConfig;
  using touchstone::RefusedOptions;
  using touchstone::RunConfig;
  std::vector<touchstone::CompletedCommand> commands;
  for (const touchstone::CommandInfo& command : touchstone::kCommandList) {
    commands.push_back({std::string(command.name), std::string(command.help)});
  }
  const std::vector<const touchstone::Descriptor*> run = {touchstone::SchemaOf<RunConfig>(),
                                                          RefusedOptions::type()};
  const std::vector<const touchstone::Descriptor*> global = {touchstone::SchemaOf<GlobalConfig>()};
  const absl::string_view what = argc == 2 ? argv[1] : "";
  std::string text;
  if (what == "page") text = touchstone::OptionsPage(run);
  if (what == "bash") text = touchstone::BashCompletion(run, commands);
  if (what == "zsh") text = touchstone::ZshCompletion(run, commands);
  if (what == "fish") text = touchstone::FishCompletion(run, commands);
  if (what == "man") text = touchstone::ManPage(global, run, commands);
  if (text.empty()) {
    fputs("usage: generate page|bash|zsh|fish|man\n", stderr);
    return 1;
  }
  return fwrite(text.data(), 1, text.size(), stdout) == text.size() ? 0 : 1;
}
