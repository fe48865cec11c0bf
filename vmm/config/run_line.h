// The command line of `touchstone run`, with its configuration files.

#ifndef TOUCHSTONE_VMM_CONFIG_RUN_LINE_H_
#define TOUCHSTONE_VMM_CONFIG_RUN_LINE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "vmm/config/command_line.h"
#include "vmm/config/config.pb.h"
#include "vmm/config/config_files.h"

namespace touchstone {

struct RunLine {
  // Files and command line in one (config_files.h).
  RunConfig config;
  // A line for each option that is deprecated or has no effect.
  std::vector<std::string> warnings;
  // A line for each option that is refused (refused_options.h).
  std::vector<std::string> refused;
};

// Reads the arguments after `run`, and files with `read_file`. Errors as of ParseCommandLine.
absl::StatusOr<RunLine> ReadRunLine(Arguments arguments, const ConfigFiles::ReadFile& read_file);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_RUN_LINE_H_
