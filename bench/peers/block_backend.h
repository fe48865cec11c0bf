// A program that serves a disk over vhost-user, in a process of its own.
//
//   ASSIGN_OR_RETURN(const auto backend, BlockBackend::Start(command, "/tmp/x.sock"));
//   ASSIGN_OR_RETURN(ScopedFd socket, backend->Connect());
//
// Thread-compatible.

#ifndef TOUCHSTONE_BENCH_PEERS_BLOCK_BACKEND_H_
#define TOUCHSTONE_BENCH_PEERS_BLOCK_BACKEND_H_

#include <time.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/scoped_fd.h"
#include "bench/peers/monitor_process.h"

namespace touchstone {

class BlockBackend {
 public:
  // Starts `command` (argv, looked up in PATH), which is to listen at `socket_path`.
  static absl::StatusOr<std::unique_ptr<BlockBackend>> Start(
      const std::vector<std::string>& command, std::string socket_path);

  // Waits until it listens, for at most half a minute.
  absl::StatusOr<ScopedFd> Connect();
  // User and system time of all of its threads until now.
  [[nodiscard]] absl::Duration CpuTime() const;
  // Has it end in order, as tools that write their results at the end need it.
  absl::Status Stop();

 private:
  BlockBackend(std::unique_ptr<MonitorProcess> process, clockid_t clock, std::string socket_path)
      : process_(std::move(process)), clock_(clock), socket_path_(std::move(socket_path)) {}

  const std::unique_ptr<MonitorProcess> process_;
  const clockid_t clock_;
  const std::string socket_path_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BENCH_PEERS_BLOCK_BACKEND_H_
