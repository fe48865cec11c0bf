#include "vmm/config/run_line.h"

#include "base/status.h"
#include "vmm/config/refused_options.h"

namespace touchstone {

absl::StatusOr<RunLine> ReadRunLine(Arguments arguments, const ConfigFiles::ReadFile& read_file) {
  RunLine line;
  RefusedOptions refused;
  ConfigFiles files(read_file, &refused);
  DynamicMessage config(SchemaOf<RunConfig>());
  const auto load = [&](const FieldDescriptor& option) {
    if (option.number() != RunConfig::kCfgFieldNumber) return absl::OkStatus();
    return files.Load(config.GetText(&option, config.FieldSize(&option) - 1), config);
  };
  RETURN_IF_ERROR(ParseCommandLine(
      arguments, config, {.warnings = &line.warnings, .refused = &refused, .after_option = load}));
  files.Finish(config, line.warnings);
  line.config = ToProto<RunConfig>(config);
  if (line.config.has_balloon_bias_mib()) {
    line.warnings.push_back("--balloon-bias-mib has no effect: nothing reads it on Linux");
  }
  refused.AppendErrors(line.refused);
  return line;
}

}  // namespace touchstone
