#include "vmm/control/snapshot_taker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "vmm/control/control_message.h"
#include "vmm/snapshot/container.h"

namespace touchstone {
namespace {

enum File { kMachineFile, kMemoryFile, kFiles };

// Whatever else a descriptor may be could keep a write waiting for ever.
absl::Status CheckFiles(const std::vector<ScopedFd>& files) {
  if (files.size() != kFiles) {
    return absl::InvalidArgumentError(
        absl::StrCat(files.size(), " files came along, not ", kFiles));
  }
  for (const ScopedFd& file : files) {
    struct stat status;
    if (fstat(file.get(), &status) != 0) return ErrnoStatus(errno, "fstat of a snapshot's file");
    const int flags = fcntl(file.get(), F_GETFL);
    if (!S_ISREG(status.st_mode) || status.st_size != 0 || flags < 0 ||
        (flags & O_ACCMODE) == O_RDONLY || (flags & (O_APPEND | O_PATH | O_DIRECT)) != 0) {
      return absl::InvalidArgumentError("a snapshot's file is no empty regular file to write to");
    }
  }
  return absl::OkStatus();
}

// A limit on the size of files (setrlimit(2)) is an error of a write, not the end of the machine.
void RefuseSignalOfLargeFiles() {
  struct sigaction action = {};
  if (sigaction(SIGXFSZ, nullptr, &action) != 0 || action.sa_handler != SIG_DFL) return;
  action.sa_handler = SIG_IGN;
  sigaction(SIGXFSZ, &action, nullptr);
}

ControlResponse ErrorOf(const absl::Status& status) {
  return ControlError(absl::IsFailedPrecondition(status) ? EOPNOTSUPP : EIO,
                      std::string(status.message()));
}

}  // namespace

void SnapshotTaker::Take(const ControlRequest& request, ControlServer::Caller caller,
                         ControlServer::Reply reply) {
  if (save_ == nullptr) return reply(ControlError(EOPNOTSUPP, "the machine cannot be saved"));
  if (busy()) return reply(ControlError(EBUSY, "a snapshot is being taken already"));
  if (const absl::Status status = CheckFiles(caller.files); !status.ok()) {
    return reply(ControlError(EINVAL, std::string(status.message())));
  }
  RefuseSignalOfLargeFiles();
  work_.emplace(Work{.compress = request.compress(),
                     .caller = std::move(caller),
                     .reply = std::move(reply),
                     .suspended = machine_.suspended(),
                     .asleep = machine_.devices_asleep()});
  machine_.Suspend([this] { loop_.Post([this] { Begin(); }); });
}

void SnapshotTaker::Begin() {
  if (const absl::Status status = machine_.SleepDevices(); !status.ok()) {
    return Finish(ErrorOf(status));
  }
  absl::StatusOr<std::string> state = save_(machine_);
  if (!state.ok()) return Finish(ErrorOf(state.status()));
  work_->state = *std::move(state);
  absl::StatusOr<MemoryWriter> writer = MemoryWriter::Create(
      machine_.memory(), work_->caller.files[kMemoryFile].get(), work_->compress);
  if (!writer.ok()) return Finish(ErrorOf(writer.status()));
  work_->writer.emplace(*std::move(writer));
  work_->reported = SystemClock().Monotonic();
  Continue();
}

void SnapshotTaker::Continue() {
  MemoryWriter& writer = *work_->writer;
  if (work_->caller.waits != nullptr && !work_->caller.waits()) {
    LOG(kWarning, "snapshot", "who takes the snapshot is gone");
    return Finish(ControlError(ECANCELED, "nobody waits for it"));
  }
  if (const absl::Status status = writer.WriteSome(); !status.ok()) return Finish(ErrorOf(status));
  if (writer.done()) {
    const absl::Status status = WriteMachine();
    return Finish(status.ok() ? ControlDone() : ErrorOf(status));
  }
  if (const absl::Duration now = SystemClock().Monotonic(); now - work_->reported >= kProgress) {
    work_->reported = now;
    ControlResponse progress;
    progress.set_more(true);
    progress.set_done(writer.bytes_done());
    progress.set_total(writer.map().total_size());
    work_->reply(progress);
  }
  loop_.Post([this] { Continue(); });
}

absl::Status SnapshotTaker::WriteMachine() {
  const std::string bytes =
      EncodeContainer({std::move(work_->state), work_->writer->map().Serialize()});
  absl::string_view left = bytes;
  while (!left.empty()) {
    const ssize_t size = pwrite(work_->caller.files[kMachineFile].get(), left.data(), left.size(),
                                static_cast<off_t>(bytes.size() - left.size()));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return ErrnoStatus(size == 0 ? ENOSPC : errno, "write of the machine's state");
    left.remove_prefix(static_cast<size_t>(size));
  }
  return absl::OkStatus();
}

void SnapshotTaker::Finish(const ControlResponse& response) {
  // The files are closed before anybody hears of it.
  ControlServer::Reply reply = std::move(work_->reply);
  const bool suspended = work_->suspended;
  const bool asleep = work_->asleep;
  work_.reset();
  if (!asleep) machine_.WakeDevices();
  // Not Machine::Resume: the guest may be in a sleep state of its own.
  if (!suspended) machine_.gate().Open(PauseGate::Reason::kHost);
  reply(response);
}

}  // namespace touchstone
