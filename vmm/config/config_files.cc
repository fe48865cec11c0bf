#include "vmm/config/config_files.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "vmm/config/json_reader.h"
#include "vmm/config/merge.h"
#include "vmm/config/text_proto_reader.h"

namespace touchstone {
namespace {

constexpr int kMaxFiles = 256;

absl::Status ReadConfig(absl::string_view text, RunConfig& config, RefusedOptions* refused) {
  const absl::string_view start = absl::StripLeadingAsciiWhitespace(text);
  return absl::StartsWith(start, "{") ? ReadJson(text, config, refused)
                                      : ReadTextProto(text, config);
}

}  // namespace

absl::Status ConfigFiles::Load(const std::string& path, RunConfig& line) {
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

absl::Status ConfigFiles::LoadOne(const std::string& path, RunConfig& line) {
  ASSIGN_OR_RETURN(const std::string text, read_file_(path));
  RunConfig file;
  RETURN_IF_ERROR(Annotate(ReadConfig(text, file, refused_), path));
  if (file.has_dump_cfg()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": dump-cfg is for the command line"));
  }
  for (const std::string& included : file.cfg()) RETURN_IF_ERROR(Load(included, line));
  file.clear_cfg();
  // Disks are lettered in the order in which they are read.
  line.mutable_block()->MergeFrom(file.block());
  file.clear_block();
  MergeOptions(file, files_);
  return absl::OkStatus();
}

void ConfigFiles::Finish(RunConfig& line) {
  line.clear_cfg();
  MergeOptions(line, files_);
  line.Swap(&files_);
  files_.Clear();
}

}  // namespace touchstone
