#include "devices/virtio/vhost/vhost_control.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "base/status.h"

namespace touchstone {
namespace {

class KernelControl final : public VhostControl {
 public:
  explicit KernelControl(ScopedFd fd) : fd_(std::move(fd)) {}

  absl::Status Call(unsigned long request, const char* name, void* argument) override {
    while (ioctl(fd_.get(), request, argument) < 0) {
      if (errno != EINTR) return ErrnoStatus(errno, name);
    }
    return absl::OkStatus();
  }

 private:
  const ScopedFd fd_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<VhostControl>> OpenVhostControl(absl::string_view path) {
  absl::StatusOr<ScopedFd> fd = OpenFile(path, O_RDWR);
  if (absl::IsNotFound(fd.status())) {
    const std::string module =
        absl::StrReplaceAll(absl::StripPrefix(path, "/dev/"), {{"-", "_"}, {"/", "_"}});
    return absl::NotFoundError(
        absl::StrCat(fd.status().message(), " (is the kernel's module ", module, " loaded?)"));
  }
  if (!fd.ok()) return fd.status();
  return VhostControlOf(*std::move(fd));
}

std::unique_ptr<VhostControl> VhostControlOf(ScopedFd fd) {
  return std::make_unique<KernelControl>(std::move(fd));
}

}  // namespace touchstone
