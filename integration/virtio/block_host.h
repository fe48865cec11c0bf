// The host's side of tests with disks: image files, what is in them, loop devices, and file systems
// of their own. Most of this needs root, which tests in the lab are.
//
// What cannot be done CHECKs, with the command that failed.

#ifndef TOUCHSTONE_INTEGRATION_VIRTIO_BLOCK_HOST_H_
#define TOUCHSTONE_INTEGRATION_VIRTIO_BLOCK_HOST_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace touchstone {

// A file of this size, all of it a hole; replaces what is there.
std::string MakeEmptyDisk(const std::string& path, uint64_t mib);
// The same with an ext4 file system, made by the host's mke2fs.
std::string MakeExt4Disk(const std::string& path, uint64_t mib);

// How much of a file is not holes, in bytes.
uint64_t AllocatedBytes(const std::string& path);

// The MD5 sum of a file in an ext4 image, in hex; of no bytes when there is no such file.
std::string SumInImage(const std::string& image, const std::string& file);

// A loop device over a file.
class LoopDevice {
 public:
  explicit LoopDevice(const std::string& file);
  ~LoopDevice();
  LoopDevice(const LoopDevice&) = delete;
  LoopDevice& operator=(const LoopDevice&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A mounted file system, at a folder of its own below the test's temporary folder.
class MountedFolder {
 public:
  // `what` is the rest of a mount command: "-t tmpfs -o size=1m tmpfs".
  MountedFolder(const std::string& name, const std::string& what);
  ~MountedFolder();
  MountedFolder(const MountedFolder&) = delete;
  MountedFolder& operator=(const MountedFolder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Whether files in this folder can be used past the page cache, which those in memory cannot.
bool AllowsDirect(const std::string& folder);

}  // namespace touchstone

#endif  // TOUCHSTONE_INTEGRATION_VIRTIO_BLOCK_HOST_H_
