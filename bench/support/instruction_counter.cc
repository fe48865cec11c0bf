#include "bench/support/instruction_counter.h"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace touchstone {

InstructionCounter::InstructionCounter() {
  perf_event_attr attributes = {};
  attributes.size = sizeof(attributes);
  attributes.type = PERF_TYPE_HARDWARE;
  attributes.config = PERF_COUNT_HW_INSTRUCTIONS;
  attributes.exclude_kernel = 1;
  attributes.exclude_hv = 1;
  // This thread, on any processor, in no group.
  fd_ = ScopedFd(
      static_cast<int>(syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC)));
}

void InstructionCounter::Report(benchmark::State& state, int64_t items) const {
  uint64_t count = 0;
  if (!fd_.valid() || read(fd_.get(), &count, sizeof(count)) != sizeof(count)) return;
  state.counters["instructions"] = benchmark::Counter(
      static_cast<double>(count) / static_cast<double>(items), benchmark::Counter::kAvgIterations);
}

}  // namespace touchstone
