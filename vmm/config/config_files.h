// Configuration files (crosvm.md 4.3): --cfg FILE, and how files and the command line make one
// configuration.
//
//   ConfigFiles files(ReadFile, &refused);
//   RETURN_IF_ERROR(files.Load("a.json", line));     // at each --cfg
//   files.Finish(line);                              // at the end of the command line
//
// A file is a JSON object (json_reader.h), or, when its first character is no "{", a text proto
// (text_proto_reader.h). Its option `cfg` names files that are read before it.
//
// Configurations are trees of the type RunConfig. Thread-compatible.

#ifndef TOUCHSTONE_VMM_CONFIG_CONFIG_FILES_H_
#define TOUCHSTONE_VMM_CONFIG_CONFIG_FILES_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "devices/module/dynamic_message.h"
#include "vmm/config/config_schema.h"
#include "vmm/config/refused_options.h"

namespace touchstone {

class ConfigFiles {
 public:
  // The content of a file. Bounds its size.
  using ReadFile = std::function<absl::StatusOr<std::string>(const std::string& path)>;

  // Refused options of JSON files go to `refused`.
  ConfigFiles(ReadFile read_file, RefusedOptions* refused)
      : read_file_(std::move(read_file)), refused_(refused) {}

  // Reads the file and those it names. Its disks join those of `line`, the command line so far, in
  // this place; all else waits for Finish. Errors name the file, the line and the option.
  absl::Status Load(const std::string& path, DynamicMessage& line);

  // Makes `line` what the files say, later ones before earlier ones, and the command line before
  // all. Lists of options are joined in that order, files first. Two options are different: of
  // bus-lock-ratelimit the first value counts, and for core-scheduling only the command line does,
  // where it has a default; a file that says otherwise gets a line in `warnings`.
  void Finish(DynamicMessage& line, std::vector<std::string>& warnings);

 private:
  absl::Status LoadOne(const std::string& path, DynamicMessage& line);

  const ReadFile read_file_;
  RefusedOptions* const refused_;
  DynamicMessage files_{SchemaOf<RunConfig>()};
  std::vector<std::string> open_;  // The file that is read, and those that named it.
  int loaded_ = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_CONFIG_FILES_H_
