// What OpenFile and ConnectUnix ask first in a process that can open and connect nothing itself: a
// device in its jail, whose parent has opened its files and connects for it.
//
//   JailedFiles files(...);
//   SetFileProvider(&files);  // From here on OpenFile("/disk") is a descriptor of the parent's.
//
// So devices open what their configuration names, wherever they are, and their messages name what
// the user knows.

#ifndef TOUCHSTONE_BASE_FILE_PROVIDER_H_
#define TOUCHSTONE_BASE_FILE_PROVIDER_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace touchstone {

class ScopedFd;

// Thread-safe.
class FileProvider {
 public:
  virtual ~FileProvider() = default;

  // As open(2) of `path` with these flags. NotFound: try yourself.
  virtual absl::StatusOr<ScopedFd> Open(absl::string_view path, int flags) = 0;
  // As ConnectUnix.
  virtual absl::StatusOr<ScopedFd> Connect(absl::string_view path, int type) = 0;
};

// For the whole process; borrowed. Null: nobody, the default. REQUIRES: one thread.
void SetFileProvider(FileProvider* provider);
FileProvider* GetFileProvider();

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_FILE_PROVIDER_H_
