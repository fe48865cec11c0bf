#include "integration/virtio/block_host.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/scoped_fd.h"
#include "gtest/gtest.h"
#include "integration/virtio/test_run.h"

namespace touchstone {
namespace {

void Shell(const std::string& command) {
  if (system(command.c_str()) == 0) return;
  fprintf(stderr, "failed: %s\n", command.c_str());
  CHECK(false);
}

}  // namespace

std::string MakeEmptyDisk(const std::string& path, uint64_t mib) {
  Shell(absl::StrCat("rm -f ", path, " && truncate -s ", mib, "M ", path));
  return path;
}

std::string MakeExt4Disk(const std::string& path, uint64_t mib) {
  MakeEmptyDisk(path, mib);
  Shell(absl::StrCat("/sbin/mke2fs -q -F -t ext4 ", path));
  return path;
}

uint64_t AllocatedBytes(const std::string& path) {
  struct stat status;
  CHECK(stat(path.c_str(), &status) == 0);
  return static_cast<uint64_t>(status.st_blocks) * 512;
}

std::string SumInImage(const std::string& image, const std::string& file) {
  return HostSays(absl::StrCat("/sbin/debugfs -R 'cat ", file, "' ", image,
                               " 2>/dev/null | md5sum | cut -c1-32 ", "| tr -d '\\n'"));
}

LoopDevice::LoopDevice(const std::string& file) {
  path_ = HostSays(absl::StrCat("/sbin/losetup -f --show ", file));
  absl::StripAsciiWhitespace(&path_);
  CHECK(path_.rfind("/dev/loop", 0) == 0);
}

LoopDevice::~LoopDevice() { Shell(absl::StrCat("/sbin/losetup -d ", path_)); }

MountedFolder::MountedFolder(const std::string& name, const std::string& what)
    : path_(absl::StrCat(testing::TempDir(), "/", name)) {
  Shell(absl::StrCat("mkdir -p ", path_, " && mount ", what, " ", path_));
}

MountedFolder::~MountedFolder() { Shell(absl::StrCat("umount ", path_)); }

bool AllowsDirect(const std::string& folder) {
  const std::string path = absl::StrCat(folder, "/direct");
  const ScopedFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600));
  unlink(path.c_str());
  return fd.valid();
}

}  // namespace touchstone
