// The human monitor of a QEMU under test, at a Unix socket (-monitor unix:PATH,server=on,wait=off).
//
//   QemuMonitor monitor(path);
//   EXPECT_EQ(monitor.Say("migrate -d exec:true"), "");
//
// Thread-compatible.

#ifndef TOUCHSTONE_INTEGRATION_VIRTIO_QEMU_MONITOR_H_
#define TOUCHSTONE_INTEGRATION_VIRTIO_QEMU_MONITOR_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/scoped_fd.h"

namespace touchstone {

class QemuMonitor {
 public:
  // Waits until somebody listens there.
  explicit QemuMonitor(const std::string& path);

  // What a command says; when no answer comes, an error that no expectation fits.
  std::string Say(absl::string_view command);
  // Until the guest runs: one that comes from elsewhere hears nothing before.
  std::string AwaitRunning(absl::Duration patience);
  // --- Asks `info migrate` again and again; the last answer.

  // Until the migration has ended, in whatever way.
  std::string AwaitMigration(absl::Duration patience);
  // Until memory was looked through so many times.
  std::string AwaitPasses(int passes, absl::Duration patience);

 private:
  // What comes until the next prompt.
  std::string ReadAnswer();
  template <typename Done>
  std::string AskUntil(absl::string_view command, absl::Duration patience, Done done);

  ScopedFd socket_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_INTEGRATION_VIRTIO_QEMU_MONITOR_H_
