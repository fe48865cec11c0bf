#include "bench/peers/block_backend.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/fd_socket.h"
#include "base/status.h"

namespace touchstone {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

}  // namespace

absl::StatusOr<std::unique_ptr<BlockBackend>> BlockBackend::Start(
    const std::vector<std::string>& command, std::string socket_path) {
  unlink(socket_path.c_str());  // What an earlier one left.
  ASSIGN_OR_RETURN(std::unique_ptr<MonitorProcess> process, MonitorProcess::Start(command));
  clockid_t clock;
  if (const int error = clock_getcpuclockid(process->pid(), &clock); error != 0) {
    return ErrnoStatus(error, absl::StrCat("CPU clock of ", command[0]));
  }
  return std::unique_ptr<BlockBackend>(
      new BlockBackend(std::move(process), clock, std::move(socket_path)));
}

absl::StatusOr<ScopedFd> BlockBackend::Connect() {
  const absl::Duration deadline = SystemClock().Monotonic() + kPatience;
  while (true) {
    absl::StatusOr<FdSocket> socket = FdSocket::Connect(socket_path_, FdSocket::Kind::kStream);
    if (socket.ok()) return (*std::move(socket)).Release();
    if (SystemClock().Monotonic() > deadline) return socket.status();
    absl::SleepFor(absl::Milliseconds(5));
  }
}

absl::Duration BlockBackend::CpuTime() const {
  timespec time = {};
  clock_gettime(clock_, &time);
  return absl::DurationFromTimespec(time);
}

absl::Status BlockBackend::Stop() { return process_->Terminate(kPatience); }

}  // namespace touchstone
