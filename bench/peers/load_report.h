// What the guests of the comparisons say of their loads on standard output, where load_run.h reads
// it. Static and without Abseil, because it is part of an initial RAM disk.

#ifndef TOUCHSTONE_BENCH_PEERS_LOAD_REPORT_H_
#define TOUCHSTONE_BENCH_PEERS_LOAD_REPORT_H_

#include <cstdint>
#include <functional>

namespace touchstone {

// Says that the load failed and why, errno, and ends the program.
[[noreturn]] void LoadFailed(const char* what);

// Does the load between its two lines, each with an idle moment after it:
//
//   load begin NAME
//   load end NAME OPERATIONS NS     elapsed, by the guest's clock
void ReportLoad(const char* name, uint64_t operations, const std::function<void()>& load);

}  // namespace touchstone

#endif  // TOUCHSTONE_BENCH_PEERS_LOAD_REPORT_H_
