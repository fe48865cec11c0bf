// Runs one guest that does loads (block_load, net_load) under one monitor, and what each load cost.
//
// The guest prints "load begin NAME", is idle for a moment, does the load, prints "load end NAME
// OPERATIONS NANOSECONDS [BYTES]", is idle for a moment, and "load done" after the last. The load
// called "nothing" is what the printing costs; it is taken off the others that follow.

#ifndef TOUCHSTONE_BENCH_PEERS_LOAD_RUN_H_
#define TOUCHSTONE_BENCH_PEERS_LOAD_RUN_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace touchstone {

struct LoadCost {
  std::string name;
  uint64_t operations = 0;
  double microseconds = 0;  // An operation, by the guest's clock.
  // CPU time of the monitor's threads beside the vCPU's, an operation.
  double device_microseconds = 0;
  // Each of an operation.
  double exits = 0;
  double to_user = 0;
  double halts = 0;
};

// With `trace`, prints KVM's and the host's counters for each load as well.
absl::StatusOr<std::vector<LoadCost>> RunLoads(const std::vector<std::string>& command, bool trace);

// How several monitors fared, with ratios to the one that is named `reference`.
class LoadTable {
 public:
  explicit LoadTable(std::string reference) : reference_(std::move(reference)) {}

  void Add(const std::string& peer, const std::vector<LoadCost>& costs);
  // A block of lines for each load.
  [[nodiscard]] std::string Format() const;

 private:
  struct Row {
    std::string peer;
    LoadCost cost;
  };

  const std::string reference_;
  std::vector<Row> rows_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BENCH_PEERS_LOAD_RUN_H_
