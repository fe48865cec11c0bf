// How much better one of two is that were measured in pairs, one right after the other.

#ifndef TOUCHSTONE_BENCH_PEERS_PAIRED_RATIO_H_
#define TOUCHSTONE_BENCH_PEERS_PAIRED_RATIO_H_

#include <vector>

namespace touchstone {

// The middle value; of an even number the mean of the two. REQUIRES: not empty.
double MedianOf(std::vector<double> values);

struct PairedRatio {
  double median = 0;
  // 95 of 100 samples drawn from the pairs, with repetition, have their median in here (bootstrap).
  double low = 0;
  double high = 0;
};

// Of ours[i] / theirs[i]. The same for the same values. REQUIRES: as many of both, not none.
PairedRatio RatioOf(const std::vector<double>& ours, const std::vector<double>& theirs);

}  // namespace touchstone

#endif  // TOUCHSTONE_BENCH_PEERS_PAIRED_RATIO_H_
