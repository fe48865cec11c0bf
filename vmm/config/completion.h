// What shells need to complete command lines of the program: the sub-commands, the options of run
// that work, the values of enums and the keys of structs.

#ifndef TOUCHSTONE_VMM_CONFIG_COMPLETION_H_
#define TOUCHSTONE_VMM_CONFIG_COMPLETION_H_

#include <string>
#include <vector>

#include "vmm/config/help.h"

namespace touchstone {

struct CompletedCommand {
  std::string name;
  std::string help;
};

// Each is a script: for bash's `source`, for a file _touchstone in zsh's fpath, for a file
// touchstone.fish.
std::string BashCompletion(OptionTypes types, const std::vector<CompletedCommand>& commands);
std::string ZshCompletion(OptionTypes types, const std::vector<CompletedCommand>& commands);
std::string FishCompletion(OptionTypes types, const std::vector<CompletedCommand>& commands);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_COMPLETION_H_
