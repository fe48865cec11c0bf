#include "vmm/jail/syscall_names.h"

namespace touchstone {
namespace {

struct Syscall {
  absl::string_view name;
  int number;
};

constexpr Syscall kSyscalls[] = {
#include "vmm/jail/syscall_table.inc"
};

}  // namespace

std::optional<int> SyscallNumber(absl::string_view name) {
  for (const Syscall& call : kSyscalls) {
    if (call.name == name) return call.number;
  }
  return std::nullopt;
}

absl::string_view SyscallName(int number) {
  for (const Syscall& call : kSyscalls) {
    if (call.number == number) return call.name;
  }
  return "unknown";
}

}  // namespace touchstone
