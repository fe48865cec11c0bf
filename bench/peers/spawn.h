// Runs a command and times it: until its first byte of output and until it is gone.

#ifndef TOUCHSTONE_BENCH_PEERS_SPAWN_H_
#define TOUCHSTONE_BENCH_PEERS_SPAWN_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace touchstone {

struct SpawnTimes {
  // From just before posix_spawn. Infinite when there was no output.
  absl::Duration first_byte = absl::InfiniteDuration();
  absl::Duration gone;
  // User and system time of the process.
  absl::Duration cpu;
  int exit_status = -1;
};

// Runs `command` (argv, looked up in PATH) with standard input from /dev/null and standard error
// dropped. Kills it after `limit`, which is an error.
absl::StatusOr<SpawnTimes> TimeSpawn(const std::vector<std::string>& command, absl::Duration limit);

// The middle value; of an even number the mean of the two. REQUIRES: not empty.
absl::Duration Median(std::vector<absl::Duration> values);

}  // namespace touchstone

#endif  // TOUCHSTONE_BENCH_PEERS_SPAWN_H_
