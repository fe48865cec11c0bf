#include "devices/virtio/console/console_open.h"

#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "devices/platform/serial/serial_backend.h"
#include "devices/virtio/console/console.h"
#include "devices/virtio/console/guest_console.h"

namespace touchstone {
namespace {

// The terminal that shows this port, or -1.
int TerminalOf(const SerialConfig& entry) {
  if (entry.stdin() && isatty(STDIN_FILENO) != 0) return STDIN_FILENO;
  if (entry.type() == SerialConfig::STDOUT && isatty(STDOUT_FILENO) != 0) return STDOUT_FILENO;
  return -1;
}

Console::Kind KindOf(absl::Span<const SerialConfig> entries) {
  if (entries[0].hardware() == SerialConfig::LEGACY_VIRTIO_CONSOLE) return Console::Kind::kLegacy;
  return entries.size() == 1 && entries[0].name().empty() ? Console::Kind::kSingle
                                                          : Console::Kind::kPorts;
}

}  // namespace

absl::StatusOr<std::unique_ptr<VirtioDevice>> OpenConsole(absl::Span<const SerialConfig> entries,
                                                          EventLoop& loop, Clock& clock) {
  CHECK(!entries.empty());
  if (entries.size() > Console::kMaxPorts) {
    return absl::InvalidArgumentError(absl::StrCat("--serial: hardware=virtio-console has at most ",
                                                   Console::kMaxPorts, " ports, not ",
                                                   entries.size()));
  }
  std::vector<SerialConfig> sorted(entries.begin(), entries.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.num() < b.num(); });
  const Console::Kind kind = KindOf(sorted);
  std::vector<Console::Port> ports;
  int terminal = -1;
  for (const SerialConfig& entry : sorted) {
    absl::StatusOr<SerialBackend> backend = OpenSerialBackend(entry, loop, clock);
    if (!backend.ok()) {
      return Annotate(backend.status(), absl::StrCat("--serial: virtio-console ", entry.num()));
    }
    ports.push_back({.port = {.name = entry.name(), .console = IsGuestConsole(entry)},
                     .host = {.terminal = std::move(backend->terminal),
                              .output = std::move(backend->output),
                              .input = std::move(backend->input)}});
    if (terminal < 0) terminal = TerminalOf(entry);
  }
  auto console = std::make_unique<Console>(loop, kind, std::move(ports));
  if (terminal >= 0) RETURN_IF_ERROR(console->FollowTerminal(terminal));
  return console;
}

}  // namespace touchstone
