// What KVM counts about all its guests, for a comparison that runs one guest at a time, as root.

#ifndef TOUCHSTONE_BENCH_PEERS_KVM_COUNTERS_H_
#define TOUCHSTONE_BENCH_PEERS_KVM_COUNTERS_H_

#include <cstdint>

namespace touchstone {

struct KvmCounters {
  uint64_t exits = 0;
  uint64_t to_user = 0;  // Those that went to user space (fpu_reload: once a KVM_RUN).
  uint64_t io = 0;
  uint64_t mmio = 0;
  uint64_t halts = 0;
  uint64_t faults = 0;  // Page faults that KVM fixed.
};

// Of debugfs, since KVM was loaded; 0 where it does not tell.
KvmCounters ReadKvmCounters();

// What came between the two. Counters of a guest that is gone are gone too, which leaves 0.
KvmCounters operator-(const KvmCounters& after, const KvmCounters& before);

// Makes KVM sleep at once when a guest is idle, which leaves the time to the other threads.
void StopHaltPolling();

// Has the kernel count the reasons of exits, and the ports and addresses that left the kernel,
// while on. It slows guests down. Turning it off forgets what was counted.
void TraceKvm(bool on);
// Prints what was counted since it was turned on; with `operations`, for each of them.
void PrintKvmTrace(uint64_t operations = 1);

}  // namespace touchstone

#endif  // TOUCHSTONE_BENCH_PEERS_KVM_COUNTERS_H_
