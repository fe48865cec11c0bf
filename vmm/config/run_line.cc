#include "vmm/config/run_line.h"

#include "base/status.h"
#include "google/protobuf/descriptor.h"
#include "vmm/config/refused_options.h"

namespace touchstone {

absl::StatusOr<RunLine> ReadRunLine(Arguments arguments, const ConfigFiles::ReadFile& read_file) {
  RunLine line;
  RefusedOptions refused;
  ConfigFiles files(read_file, &refused);
  const auto load = [&](const google::protobuf::FieldDescriptor& option) {
    if (option.number() != RunConfig::kCfgFieldNumber) return absl::OkStatus();
    return files.Load(line.config.cfg(line.config.cfg_size() - 1), line.config);
  };
  RETURN_IF_ERROR(
      ParseCommandLine(arguments, line.config,
                       {.warnings = &line.warnings, .refused = &refused, .after_option = load}));
  files.Finish(line.config);
  if (line.config.has_balloon_bias_mib()) {
    line.warnings.push_back("--balloon-bias-mib has no effect: nothing reads it on Linux");
  }
  refused.AppendErrors(line.refused);
  return line;
}

}  // namespace touchstone
