// A program for a jail: confines itself with the filter that it finds at kJailFirstFd, tries what
// its first argument says (jail_attempts.h), and writes the outcome as a line to the descriptor
// after that.
//
// An attempt that is killed for leaves no line.

#include <unistd.h>

#include <string>

#include "absl/status/statusor.h"
#include "vmm/jail/confine.h"
#include "vmm/jail/filter.h"
#include "vmm/jail/jail_attempts.h"
#include "vmm/jail/jail_report.h"

namespace touchstone {
namespace {

constexpr int kResultFd = kJailFirstFd + 1;

Filter ReadFilter() {
  std::string bytes(1 << 16, '\0');
  const ssize_t size = pread(kJailFirstFd, bytes.data(), bytes.size(), 0);
  bytes.resize(size > 0 ? static_cast<size_t>(size) : 0);
  absl::StatusOr<Filter> filter = ParseFilterBytes(bytes);
  if (!filter.ok()) _exit(3);
  return *std::move(filter);
}

int Main(int argc, char** argv) {
  if (argc != 2) return 2;
  ConfineOrDie(ReadFilter());
  const std::string line = TryInJail(argv[1]);
  return write(kResultFd, line.data(), line.size()) < 0 ? 4 : 0;
}

}  // namespace
}  // namespace touchstone

int main(int argc, char** argv) { _exit(touchstone::Main(argc, argv)); }
