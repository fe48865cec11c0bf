#include "vmm/control/snapshot_client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/scoped_fd.h"
#include "base/status.h"
#include "vmm/snapshot/snapshot.h"

namespace touchstone {
namespace {

// The names are terminated: they are literals.
constexpr std::array<const char*, 2> kFiles = {kSnapshotMachineFile.data(),
                                               kSnapshotMemoryFile.data()};

// Has signals that end the process take the partial folder away first: Ctrl-C leaves nothing. They
// wait while it is made, and while it becomes the snapshot.
class EndingSignals {
 public:
  EndingSignals() {
    sigset_t ending;
    sigemptyset(&ending);
    for (const int signal : kEnding) sigaddset(&ending, signal);
    pthread_sigmask(SIG_BLOCK, &ending, &before_);
  }
  EndingSignals(const EndingSignals&) = delete;
  EndingSignals& operator=(const EndingSignals&) = delete;
  ~EndingSignals() {
    Hold();
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

  // From now on they remove the files in `folder`, and then `path`.
  void TakeAway(int folder, const std::string& path) {
    path_ = path;
    removed_path = path_.c_str();
    removed_folder = folder;
    struct sigaction action = {};
    action.sa_handler = Remove;
    action.sa_flags = SA_RESETHAND;
    for (size_t i = 0; i < kEnding.size(); ++i) {
      sigaction(kEnding[i], nullptr, &actions_[i]);
      // Who ignores a signal goes on doing so.
      if (actions_[i].sa_handler == SIG_DFL) sigaction(kEnding[i], &action, nullptr);
    }
    armed_ = true;
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  // They wait again.
  void Hold() {
    if (!std::exchange(armed_, false)) return;
    sigset_t ending;
    sigemptyset(&ending);
    for (const int signal : kEnding) sigaddset(&ending, signal);
    pthread_sigmask(SIG_BLOCK, &ending, nullptr);
    for (size_t i = 0; i < kEnding.size(); ++i) sigaction(kEnding[i], &actions_[i], nullptr);
  }

 private:
  static constexpr std::array kEnding = {SIGINT, SIGTERM, SIGHUP};

  static void Remove(int signal) {
    for (const char* name : kFiles) unlinkat(removed_folder, name, 0);
    rmdir(removed_path);
    raise(signal);  // With its own effect, once this returns.
  }

  // What the handler sees.
  static inline int removed_folder = -1;
  static inline const char* removed_path = nullptr;

  std::string path_;
  sigset_t before_;
  std::array<struct sigaction, kEnding.size()> actions_;
  bool armed_ = false;
};

// PATH.partial. Removed with what is in it unless it was kept.
class PartialFolder {
 public:
  // `path` is of the snapshot.
  static absl::StatusOr<PartialFolder> Create(const std::string& path) {
    PartialFolder self(path + ".partial");
    // The second time without what another client has left.
    for (const bool again : {false, true}) {
      if (mkdir(self.path_.c_str(), 0700) == 0) {
        RETURN_IF_ERROR(self.Lock());
        self.made_ = true;
        return self;
      }
      if (errno != EEXIST || again) return ErrnoStatus(errno, absl::StrCat("mkdir ", self.path_));
      RETURN_IF_ERROR(self.Lock());
      self.made_ = true;
      RETURN_IF_ERROR(self.Remove());
    }
    return self;
  }

  PartialFolder(PartialFolder&& other) noexcept
      : path_(std::move(other.path_)),
        folder_(std::move(other.folder_)),
        made_(std::exchange(other.made_, false)) {}
  PartialFolder& operator=(PartialFolder&&) = delete;
  ~PartialFolder() { Remove().IgnoreError(); }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] int fd() const { return folder_.get(); }

  absl::StatusOr<ScopedFd> CreateFile(const char* name) const {
    ScopedFd file(
        openat(folder_.get(), name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file.valid()) return ErrnoStatus(errno, absl::StrCat("create ", path_, "/", name));
    return file;
  }

  // All of it is at `path` afterwards, on disk.
  absl::Status Keep(const std::string& path, const std::array<ScopedFd, 2>& files,
                    EndingSignals& signals) {
    for (const ScopedFd& file : files) {
      if (fsync(file.get()) != 0) return ErrnoStatus(errno, absl::StrCat("fsync in ", path_));
    }
    if (fsync(folder_.get()) != 0) return ErrnoStatus(errno, absl::StrCat("fsync of ", path_));
    signals.Hold();
    int renamed = renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE);
    // A file system that cannot promise it. Of what may be there only an empty folder is lost.
    if (renamed != 0 && errno == EINVAL) renamed = rename(path_.c_str(), path.c_str());
    if (renamed != 0) return ErrnoStatus(errno, absl::StrCat("rename to ", path));
    made_ = false;
    // The name is there; whether it outlives a crash of the host is all that this is about.
    const size_t slash = path.rfind('/');
    const std::string parent = slash == std::string::npos ? "."
                               : slash == 0               ? "/"
                                                          : path.substr(0, slash);
    ASSIGN_OR_RETURN(const ScopedFd above, OpenFile(parent, O_RDONLY | O_DIRECTORY));
    if (fsync(above.get()) != 0) return ErrnoStatus(errno, absl::StrCat("fsync of ", parent));
    return absl::OkStatus();
  }

 private:
  explicit PartialFolder(std::string path) : path_(std::move(path)) {}

  // Held until the process ends, whichever way.
  absl::Status Lock() {
    folder_.Reset(open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder_.valid()) return ErrnoStatus(errno, absl::StrCat("open ", path_));
    if (flock(folder_.get(), LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
    return absl::UnavailableError(
        absl::StrCat(path_, ": another snapshot is on its way to this place"));
  }

  absl::Status Remove() {
    if (!std::exchange(made_, false)) return absl::OkStatus();
    for (const char* name : kFiles) unlinkat(folder_.get(), name, 0);
    if (rmdir(path_.c_str()) != 0) return ErrnoStatus(errno, absl::StrCat("rmdir ", path_));
    return absl::OkStatus();
  }

  std::string path_;
  ScopedFd folder_;
  bool made_ = false;  // It is ours to remove.
};

absl::Status CheckAbsent(const std::string& path) {
  struct stat status;
  if (lstat(path.c_str(), &status) == 0) {
    return absl::AlreadyExistsError(
        absl::StrCat(path, " exists; a snapshot is a new folder, which must not"));
  }
  return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(errno, absl::StrCat("stat of ", path));
}

}  // namespace

absl::StatusOr<ControlResponse> TakeSnapshot(const SnapshotOrder& order,
                                             const ControlProgress& progress) {
  absl::string_view bare = order.path;
  while (bare.size() > 1 && absl::ConsumeSuffix(&bare, "/")) {
  }
  const std::string path(bare);
  RETURN_IF_ERROR(CheckAbsent(path));
  EndingSignals signals;
  ASSIGN_OR_RETURN(PartialFolder folder, PartialFolder::Create(path));
  signals.TakeAway(folder.fd(), folder.path());
  std::array<ScopedFd, kFiles.size()> files;
  std::array<int, kFiles.size()> fds;
  for (size_t i = 0; i < kFiles.size(); ++i) {
    ASSIGN_OR_RETURN(files[i], folder.CreateFile(kFiles[i]));
    fds[i] = files[i].get();
  }
  ControlRequest request;
  request.set_command(ControlRequest::SNAPSHOT_TAKE);
  request.set_compress(order.compress);
  ASSIGN_OR_RETURN(ControlResponse response,
                   SendControlFiles(order.socket, request, fds, progress));
  if (response.error() == 0) RETURN_IF_ERROR(folder.Keep(path, files, signals));
  return response;
}

}  // namespace touchstone
