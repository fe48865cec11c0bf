#include "vmm/cli/missing_command.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "vmm/config/text.h"

namespace touchstone {
namespace {

constexpr absl::string_view kGpu = "machines have no GPU";
constexpr absl::string_view kUsb = "machines have no USB controller";
constexpr absl::string_view kSwap = "machines keep the memory of their guests, --swap is not there";
constexpr absl::string_view kHotPlug = "devices are there from the start, or not at all";

constexpr MissingCommand kMissing[] = {
    {"battery", "", "machines have no battery"},
    {"create_composite", "", "disks are raw images; composite ones are not read"},
    {"create_qcow2", "", "disks are raw images; `qemu-img create` makes others"},
    {"devices", "", "`device TYPE` serves one device for each process"},
    {"gpu", "add-displays", kGpu},
    {"gpu", "list-displays", kGpu},
    {"gpu", "remove-displays", kGpu},
    {"gpu", "set-mouse-mode", kGpu},
    {"snd", "mute-all", "machines have no sound"},
    {"swap", "enable", kSwap},
    {"swap", "trim", kSwap},
    {"swap", "out", kSwap},
    {"swap", "disable", kSwap},
    {"swap", "status", kSwap},
    {"usb", "attach", kUsb},
    {"usb", "attach_key", kUsb},
    {"usb", "detach", kUsb},
    {"usb", "list", kUsb},
    {"vfio", "add", kHotPlug},
    {"vfio", "remove", kHotPlug},
    {"virtio-net", "add", kHotPlug},
    {"virtio-net", "remove", kHotPlug},
};

}  // namespace

absl::Span<const MissingCommand> MissingCommands() { return kMissing; }

absl::optional<std::string> WhyMissing(absl::Span<const absl::string_view> line) {
  if (line.empty()) return absl::nullopt;
  std::vector<absl::string_view> commands;
  for (const MissingCommand& missing : kMissing) {
    if (missing.name != line[0]) continue;
    if (missing.command.empty()) {
      return absl::StrCat(missing.name, ": not implemented: ", missing.why);
    }
    if (line.size() > 1 && missing.command == line[1]) {
      return absl::StrCat(missing.name, " ", missing.command, ": not implemented: ", missing.why);
    }
    commands.push_back(missing.command);
  }
  if (commands.empty()) return absl::nullopt;
  return absl::StrCat(
      line[0], ": ",
      line.size() > 1 ? absl::StrCat("unknown command ", Quote(line[1])) : "its command is missing",
      "; of ", absl::StrJoin(commands, ", "), " none is implemented");
}

}  // namespace touchstone
