#include "devices/platform/fw_cfg/fw_cfg_files.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/read_file.h"
#include "base/status.h"

namespace touchstone {

std::vector<std::string> CheckFwCfg(const FwCfgConfigs& configs) {
  std::vector<std::string> errors;
  std::set<std::string> names;
  for (const FwCfgConfig& config : configs) {
    const std::string option = absl::StrCat("--fw-cfg: name=", config.name());
    if (config.name().empty() || config.name().size() > FwCfg::kLongestName) {
      errors.push_back(absl::StrCat(option, " has ", config.name().size(), " bytes, 1 to ",
                                    FwCfg::kLongestName, " are accepted"));
    } else if (!names.insert(config.name()).second) {
      errors.push_back(absl::StrCat(option, " is given twice"));
    }
    if (config.has_path() == config.has_string()) {
      errors.push_back(absl::StrCat(option, ": one of path= and string= is needed, ",
                                    config.has_path() ? "both are" : "none is", " given"));
    }
  }
  if (static_cast<size_t>(configs.size()) > FwCfg::kMostFiles) {
    errors.push_back(absl::StrCat("--fw-cfg: ", configs.size(), " files, at most ",
                                  FwCfg::kMostFiles, " are accepted"));
  }
  return errors;
}

absl::StatusOr<std::vector<FwCfg::File>> ReadFwCfgFiles(const FwCfgConfigs& configs) {
  std::vector<FwCfg::File> files;
  for (const FwCfgConfig& config : configs) {
    FwCfg::File file = {.name = config.name()};
    if (config.has_path()) {
      absl::StatusOr<std::vector<uint8_t>> bytes = ReadFile(config.path(), FwCfg::kLargestFile);
      if (!bytes.ok()) {
        return Annotate(bytes.status(), absl::StrCat("--fw-cfg: name=", config.name(), ": path="));
      }
      file.contents = *std::move(bytes);
    } else {
      file.contents.assign(config.string().begin(), config.string().end());
    }
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace touchstone
