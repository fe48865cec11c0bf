#include "vmm/cli/snapshot_command.h"

#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "vmm/config/text.h"
#include "vmm/machine/machine_state.pb.h"
#include "vmm/snapshot/container.h"

namespace touchstone {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

absl::Status NoRestore() {
  return absl::UnimplementedError(
      "a machine that runs cannot go back; start another one with run --restore PATH and the rest "
      "of its command line");
}

absl::Status NoEncryption() {
  return absl::UnimplementedError(
      "--encrypt: there is no cipher here; PATH on an encrypted file system (dm-crypt, fscrypt) is "
      "as secret as its key");
}

uint64_t SpaceOf(int fd) {
  struct stat status = {};
  return fstat(fd, &status) == 0 ? static_cast<uint64_t>(status.st_blocks) * 512 : 0;
}

std::string InMiB(uint64_t bytes) {
  return absl::StrFormat("%.1f MiB", static_cast<double>(bytes) / static_cast<double>(kMiB));
}

}  // namespace

absl::StatusOr<SnapshotLine> ParseSnapshotLine(absl::Span<const absl::string_view> arguments) {
  std::vector<absl::string_view> operands;
  SnapshotLine line;
  bool options = true;
  for (const absl::string_view argument : arguments) {
    if (!options || operands.empty() || argument == "-" || !absl::StartsWith(argument, "-")) {
      operands.push_back(argument);
    } else if (argument == "--") {
      options = false;
    } else if (argument == "--compress-memory" && operands[0] == "take") {
      line.order.compress = true;
    } else if (argument == "--encrypt" && operands[0] == "take") {
      return NoEncryption();
    } else if (operands[0] == "restore") {
      return NoRestore();
    } else {
      return absl::InvalidArgumentError(absl::StrCat("unknown option ", Quote(argument)));
    }
  }
  if (operands.empty()) return absl::InvalidArgumentError("take or check is missing");
  if (operands[0] == "restore") return NoRestore();
  line.check = operands[0] == "check";
  if (!line.check && operands[0] != "take") {
    return absl::InvalidArgumentError(absl::StrCat(Quote(operands[0]), " is neither take nor check",
                                                   DidYouMean(operands[0], {"take", "check"})));
  }
  const size_t wanted = line.check ? 2 : 3;
  if (operands.size() > wanted) {
    return absl::InvalidArgumentError(
        absl::StrCat("unexpected argument ", Quote(operands[wanted])));
  }
  if (operands.size() < wanted) {
    return absl::InvalidArgumentError(operands.size() == 1
                                          ? "PATH is missing"
                                          : "VM_SOCKET is missing; the socket of the machine comes "
                                            "last");
  }
  line.order.path = std::string(operands[1]);
  if (line.order.path.empty()) return absl::InvalidArgumentError("PATH is empty");
  if (!line.check) line.order.socket = std::string(operands[2]);
  return line;
}

absl::StatusOr<std::string> CheckSnapshot(const std::string& path) {
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Open(path));
  MachineState state;
  if (!state.ParseFromString(snapshot.machine())) {
    return absl::DataLossError(absl::StrCat(path, "/machine: its state cannot be read"));
  }
  if (const absl::Status status = CheckMemory(snapshot); !status.ok()) {
    return Annotate(status, absl::StrCat(path, "/memory"));
  }
  const MemoryMap& memory = snapshot.memory_map();
  std::string table;
  const auto add = [&table](absl::string_view name, absl::string_view value) {
    absl::StrAppendFormat(&table, "%-10s %s\n", name, value);
  };
  add("version", absl::StrCat(kSnapshotVersion));
  add("vcpus", absl::StrCat(state.shape().vcpus_size()));
  for (const PciFunctionShape& function : state.shape().functions()) {
    add("device", absl::StrCat(function.address(), " ", function.name()));
  }
  for (const MemoryMap::Region& region : memory.regions()) {
    add("memory", absl::StrFormat("0x%09x %s%s", Raw(region.start), InMiB(region.size),
                                  region.of_user ? ", of a file that keeps its own bytes" : ""));
  }
  add("on disk", absl::StrCat(InMiB(SpaceOf(snapshot.memory_fd())),
                              memory.compressed() ? ", compressed" : ""));
  add("state", absl::StrCat(snapshot.machine().size(), " bytes"));
  add("checksums", "right");
  return table;
}

std::string ShowProgress(const ControlResponse& progress) {
  const uint64_t total = std::max<uint64_t>(1, progress.total());
  const uint64_t done = std::min(progress.done(), total);
  const auto percent =
      static_cast<int>(100.0 * static_cast<double>(done) / static_cast<double>(total));
  constexpr int kWidth = 40;
  const int filled = kWidth * percent / 100;
  return absl::StrCat("\r[", std::string(static_cast<size_t>(filled), '#'),
                      std::string(static_cast<size_t>(kWidth - filled), '.'), "] ", percent,
                      " % of ", InMiB(progress.total()));
}

}  // namespace touchstone
