// Counts the instructions of a benchmark in user mode, where the machine can (perf_event_open; many
// virtual machines cannot: bench/README.md says how callgrind counts them then).
//
//   InstructionCounter instructions;
//   for (auto _ : state) Work();
//   instructions.Report(state, items_per_iteration);
//
// Counts from its making on. Thread-compatible: counts its own thread.

#ifndef TOUCHSTONE_BENCH_SUPPORT_INSTRUCTION_COUNTER_H_
#define TOUCHSTONE_BENCH_SUPPORT_INSTRUCTION_COUNTER_H_

#include <cstdint>

#include "base/scoped_fd.h"
#include "benchmark/benchmark.h"

namespace touchstone {

class InstructionCounter {
 public:
  InstructionCounter();

  // Adds the counter "instructions", of one of `items` that each iteration worked on. Does nothing
  // where they cannot be counted.
  void Report(benchmark::State& state, int64_t items) const;

 private:
  ScopedFd fd_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BENCH_SUPPORT_INSTRUCTION_COUNTER_H_
