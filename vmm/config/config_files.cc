#include "vmm/config/config_files.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "devices/module/text_proto.h"
#include "vmm/config/config.pb.h"
#include "vmm/config/json_reader.h"
#include "vmm/config/merge.h"

namespace touchstone {
namespace {

constexpr int kMaxFiles = 256;

const FieldDescriptor* Option(int number) {
  return SchemaOf<RunConfig>()->FindFieldByNumber(number);
}

absl::Status ReadConfig(absl::string_view text, DynamicMessage& config, RefusedOptions* refused) {
  const absl::string_view start = absl::StripLeadingAsciiWhitespace(text);
  return absl::StartsWith(start, "{") ? ReadJson(text, config, refused)
                                      : ReadTextProto(text, config);
}

}  // namespace

absl::Status ConfigFiles::Load(const std::string& path, DynamicMessage& line) {
  if (std::find(open_.begin(), open_.end(), path) != open_.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " includes itself: ", absl::StrJoin(open_, " > "), " > ", path));
  }
  if (++loaded_ > kMaxFiles) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": more than ", kMaxFiles, " files are given"));
  }
  open_.push_back(path);
  const absl::Status status = LoadOne(path, line);
  open_.pop_back();
  return status;
}

absl::Status ConfigFiles::LoadOne(const std::string& path, DynamicMessage& line) {
  ASSIGN_OR_RETURN(const std::string text, read_file_(path));
  DynamicMessage file(SchemaOf<RunConfig>());
  RETURN_IF_ERROR(Annotate(ReadConfig(text, file, refused_), path));
  if (file.HasField(Option(RunConfig::kDumpCfgFieldNumber))) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": dump-cfg is for the command line"));
  }
  const FieldDescriptor* cfg = Option(RunConfig::kCfgFieldNumber);
  for (int i = 0; i < file.FieldSize(cfg); ++i) RETURN_IF_ERROR(Load(file.GetText(cfg, i), line));
  file.ClearField(cfg);
  // Disks are lettered in the order in which they are read.
  const FieldDescriptor* block = Option(RunConfig::kBlockFieldNumber);
  for (int i = 0; i < file.FieldSize(block); ++i) {
    line.PutMessage(block).MergeFrom(file.GetMessage(block, i));
  }
  file.ClearField(block);
  const FieldDescriptor* ratelimit = Option(RunConfig::kBusLockRatelimitFieldNumber);
  if (files_.HasField(ratelimit)) file.ClearField(ratelimit);
  MergeOptions(file, files_);
  return absl::OkStatus();
}

void ConfigFiles::Finish(DynamicMessage& line, std::vector<std::string>& warnings) {
  line.ClearField(Option(RunConfig::kCfgFieldNumber));
  // crosvm.md 4.3, the exceptions of the merge order.
  const FieldDescriptor* ratelimit = Option(RunConfig::kBusLockRatelimitFieldNumber);
  if (files_.HasField(ratelimit)) line.ClearField(ratelimit);
  const FieldDescriptor* scheduling = Option(RunConfig::kCoreSchedulingFieldNumber);
  if (files_.HasField(scheduling)) {
    if (files_.GetBool(scheduling) != line.GetBool(scheduling)) {
      warnings.push_back(
          absl::StrCat("--cfg: core-scheduling of a file has no effect: the command ",
                       "line counts, where it is true by default"));
    }
    files_.ClearField(scheduling);
  }
  MergeOptions(line, files_);
  line = std::exchange(files_, DynamicMessage(SchemaOf<RunConfig>()));
}

}  // namespace touchstone
