#include "integration/virtio/virtio_guest.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace touchstone {

std::unique_ptr<Vm> StartVirtioGuest(std::vector<std::string> options) {
  return StartLinux(kCloudKernel, {.memory_mib = 256, .options = std::move(options)});
}

// Each line: "NUMBER: count of each processor, controller, names".
std::vector<GuestInterrupt> Interrupts(Vm& vm, absl::string_view name) {
  std::vector<GuestInterrupt> interrupts;
  const std::string table = Say(vm, "cat /proc/interrupts");
  for (const absl::string_view line : absl::StrSplit(table, '\n')) {
    if (!absl::StrContains(line, name)) continue;
    std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    GuestInterrupt interrupt;
    size_t at = 1;
    for (uint64_t count = 0; at < words.size() && absl::SimpleAtoi(words[at], &count); ++at) {
      interrupt.count += count;
    }
    interrupt.text = absl::StrJoin(words.begin() + static_cast<ptrdiff_t>(at), words.end(), " ");
    interrupts.push_back(std::move(interrupt));
  }
  return interrupts;
}

uint64_t CountInterrupts(Vm& vm, absl::string_view name) {
  uint64_t count = 0;
  for (const GuestInterrupt& interrupt : Interrupts(vm, name)) count += interrupt.count;
  return count;
}

}  // namespace touchstone
