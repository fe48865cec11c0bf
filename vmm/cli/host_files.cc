#include "vmm/cli/host_files.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status.h"

namespace touchstone {
namespace {

class FileChecks {
 public:
  void Check(absl::string_view option, const std::string& path, int mode) {
    if (faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0) return;
    const absl::Status status = Annotate(ErrnoStatus(errno, absl::StrCat("open ", path)), option);
    errors_.emplace_back(status.message());
  }

  std::vector<std::string> Take() { return std::move(errors_); }

 private:
  std::vector<std::string> errors_;
};

}  // namespace

std::vector<std::string> CheckHostFiles(const RunConfig& config) {
  FileChecks checks;
  // Once it has confined itself, this process sees no files, and has all that it needs.
  if (faccessat(AT_FDCWD, "/", F_OK, AT_EACCESS) != 0) return {};
  if (config.has_kernel()) checks.Check("KERNEL", config.kernel(), R_OK);
  if (config.has_bios()) checks.Check("--bios", config.bios(), R_OK);
  if (config.has_pflash()) checks.Check("--pflash", config.pflash().path(), R_OK | W_OK);
  if (config.has_initrd()) checks.Check("--initrd", config.initrd(), R_OK);
  checks.Check("--kvm-device", config.kvm_device(), R_OK | W_OK);
  for (const BlockConfig& block : config.block()) {
    checks.Check("--block", block.path(), block.ro() ? R_OK : R_OK | W_OK);
  }
  for (const SerialConfig& serial : config.serial()) {
    if (serial.has_input()) checks.Check("--serial: input", serial.input(), R_OK);
  }
  return checks.Take();
}

}  // namespace touchstone
