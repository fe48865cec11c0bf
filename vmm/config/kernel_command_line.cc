#include "vmm/config/kernel_command_line.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "devices/virtio/block/block_config.h"
#include "devices/virtio/console/guest_console.h"
#include "vmm/config/text.h"

namespace touchstone {
namespace {

// Ports of COM1 to COM4 (crosvm.md 1.4).
constexpr uint16_t kComAddresses[] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};

constexpr uint64_t kSlabsPerMib = 512;

bool IsPrintable(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

// Linux numbers consoles in the order in which it finds them: the ports of the virtio console, then
// the legacy ones, each by num. Without gaps that is crosvm's num - 1.
int HvcNumber(const RunConfig& config, const SerialConfig& console) {
  const auto place = [](const SerialConfig& serial) {
    return std::make_pair(serial.hardware(), serial.num());
  };
  return static_cast<int>(
      std::count_if(config.serial().begin(), config.serial().end(), [&](const SerialConfig& other) {
        return IsGuestConsole(other) && place(other) < place(console);
      }));
}

void AddConsole(const RunConfig& config, const SerialConfig& serial,
                std::vector<std::string>& parameters) {
  if (!serial.console() || serial.num() == 0) return;
  switch (serial.hardware()) {
    case SerialConfig::SERIAL:
      parameters.push_back(absl::StrCat("console=ttyS", serial.num() - 1));
      return;
    case SerialConfig::VIRTIO_CONSOLE:
    case SerialConfig::LEGACY_VIRTIO_CONSOLE:
      parameters.push_back(absl::StrCat("console=hvc", HvcNumber(config, serial)));
      return;
    case SerialConfig::DEBUGCON:
      return;  // Linux has no console on it
  }
}

void AddEarlycon(const SerialConfig& serial, std::vector<std::string>& parameters) {
  if (!serial.earlycon() || serial.hardware() != SerialConfig::SERIAL) return;
  if (serial.num() == 0 || serial.num() > std::size(kComAddresses)) return;
  parameters.push_back(
      absl::StrCat("earlycon=uart8250,io,0x", absl::Hex(kComAddresses[serial.num() - 1])));
}

}  // namespace

absl::StatusOr<std::string> KernelCommandLine(const RunConfig& config, uint64_t pstore_address) {
  std::vector<std::string> parameters = {"panic=-1"};
  for (const SerialConfig& serial : config.serial()) AddConsole(config, serial, parameters);
  for (const SerialConfig& serial : config.serial()) AddEarlycon(serial, parameters);
  for (const std::string& params : config.params()) {
    if (!IsPrintable(params)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--params: ", Quote(params), " has bytes that are not printable ASCII"));
    }
    parameters.push_back(params);
  }
  ASSIGN_OR_RETURN(std::string root, BlockRootParameter(config.block()));
  if (!root.empty()) parameters.push_back(std::move(root));
  if (config.has_pstore()) {
    parameters.push_back(absl::StrCat("ramoops.mem_address=0x", absl::Hex(pstore_address),
                                      " ramoops.mem_size=0x", absl::Hex(config.pstore().size())));
  }
  // Linux, admin-guide/kernel-parameters: in slabs of 2 KiB, for all DMA.
  if (config.has_swiotlb()) {
    parameters.push_back(absl::StrCat("swiotlb=", config.swiotlb() * kSlabsPerMib, ",force"));
  }
  std::string line = absl::StrJoin(parameters, " ");
  if (line.size() > kMaxKernelCommandLine) {
    return absl::InvalidArgumentError(absl::StrCat("--params: the kernel command line has ",
                                                   line.size(), " bytes, at most ",
                                                   kMaxKernelCommandLine, " are accepted"));
  }
  return line;
}

}  // namespace touchstone
