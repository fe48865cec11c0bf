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

absl::Status CheckCount(absl::Span<const SerialConfig> entries) {
  CHECK(!entries.empty());
  if (entries.size() <= Console::kMaxPorts) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--serial: hardware=virtio-console has at most ",
                                                 Console::kMaxPorts, " ports, not ",
                                                 entries.size()));
}

std::vector<SerialConfig> Sorted(absl::Span<const SerialConfig> entries) {
  std::vector<SerialConfig> sorted(entries.begin(), entries.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.num() < b.num(); });
  return sorted;
}

}  // namespace

int ConsoleTerminal(absl::Span<const SerialConfig> entries) {
  for (const SerialConfig& entry : Sorted(entries)) {
    if (const int terminal = TerminalOf(entry); terminal >= 0) return terminal;
  }
  return -1;
}

absl::StatusOr<std::vector<uint16_t>> ConsoleQueueSizes(absl::Span<const SerialConfig> entries) {
  RETURN_IF_ERROR(CheckCount(entries));
  return Console::QueueSizes(KindOf(Sorted(entries)), entries.size());
}

absl::StatusOr<std::unique_ptr<VirtioDevice>> OpenConsole(absl::Span<const SerialConfig> entries,
                                                          EventLoop& loop, Clock& clock) {
  return OpenConsole(entries, loop, clock, ConsoleTerminal(entries));
}

absl::StatusOr<std::unique_ptr<VirtioDevice>> OpenConsole(absl::Span<const SerialConfig> entries,
                                                          EventLoop& loop, Clock& clock,
                                                          int terminal) {
  RETURN_IF_ERROR(CheckCount(entries));
  const std::vector<SerialConfig> sorted = Sorted(entries);
  const Console::Kind kind = KindOf(sorted);
  std::vector<Console::Port> ports;
  for (const SerialConfig& entry : sorted) {
    absl::StatusOr<SerialBackend> backend = OpenSerialBackend(entry, loop, clock);
    if (!backend.ok()) {
      return Annotate(backend.status(), absl::StrCat("--serial: virtio-console ", entry.num()));
    }
    ports.push_back({.port = {.name = entry.name(), .console = IsGuestConsole(entry)},
                     .host = {.terminal = std::move(backend->terminal),
                              .output = std::move(backend->output),
                              .input = std::move(backend->input)}});
  }
  auto console = std::make_unique<Console>(loop, kind, std::move(ports));
  if (terminal >= 0) RETURN_IF_ERROR(console->FollowTerminal(terminal));
  return console;
}

}  // namespace touchstone
