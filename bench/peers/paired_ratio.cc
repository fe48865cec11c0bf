#include "bench/peers/paired_ratio.h"

#include <algorithm>
#include <random>

#include "base/log.h"

namespace touchstone {

double MedianOf(std::vector<double> values) {
  CHECK(!values.empty());
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

PairedRatio RatioOf(const std::vector<double>& ours, const std::vector<double>& theirs) {
  constexpr size_t kSamples = 1000;
  CHECK(ours.size() == theirs.size());
  std::vector<double> ratios;
  for (size_t i = 0; i < ours.size(); ++i) ratios.push_back(ours[i] / theirs[i]);
  std::mt19937 random(1);
  std::vector<double> medians;
  for (size_t sample = 0; sample < kSamples; ++sample) {
    std::vector<double> drawn;
    for (size_t i = 0; i < ratios.size(); ++i) drawn.push_back(ratios[random() % ratios.size()]);
    medians.push_back(MedianOf(std::move(drawn)));
  }
  std::sort(medians.begin(), medians.end());
  return {.median = MedianOf(ratios),
          .low = medians[kSamples / 40],
          .high = medians[kSamples - 1 - kSamples / 40]};
}

}  // namespace touchstone
