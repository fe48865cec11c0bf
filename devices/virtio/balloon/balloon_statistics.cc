#include "devices/virtio/balloon/balloon_statistics.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace touchstone {
namespace {

struct Name {
  BalloonTag tag;
  const char* name;
};
constexpr Name kNames[] = {
    {BalloonTag::kSwapIn, "swap_in"},
    {BalloonTag::kSwapOut, "swap_out"},
    {BalloonTag::kMajorFaults, "major_faults"},
    {BalloonTag::kMinorFaults, "minor_faults"},
    {BalloonTag::kFreeMemory, "free_memory"},
    {BalloonTag::kTotalMemory, "total_memory"},
    {BalloonTag::kAvailableMemory, "available_memory"},
    {BalloonTag::kDiskCaches, "disk_caches"},
    {BalloonTag::kHugetlbAllocations, "hugetlb_allocations"},
    {BalloonTag::kHugetlbFailures, "hugetlb_failures"},
    {BalloonTag::kSharedMemory, "shared_memory"},
    {BalloonTag::kUnevictableMemory, "unevictable_memory"},
};

// What the names and numbers of usual length come to.
constexpr size_t kJsonSize = 400;

}  // namespace

size_t BalloonStatistics::IndexOf(BalloonTag tag) {
  static_assert(std::size(kNames) == kKnownTags);
  const auto* const found = std::find_if(std::begin(kNames), std::end(kNames),
                                         [tag](const Name& name) { return name.tag == tag; });
  return static_cast<size_t>(found - std::begin(kNames));
}

void BalloonStatistics::Set(const BalloonStatistic& statistic) {
  const size_t index = IndexOf(static_cast<BalloonTag>(statistic.tag.get()));
  if (index < kKnownTags) values_[index] = statistic.value;
}

absl::optional<uint64_t> BalloonStatistics::Get(BalloonTag tag) const {
  const size_t index = IndexOf(tag);
  return index < kKnownTags ? values_[index] : absl::nullopt;
}

std::string BalloonStatistics::ToJson() const {
  std::string json = "{";
  json.reserve(kJsonSize);
  for (const Name& name : kNames) {
    const absl::optional<uint64_t> value = Get(name.tag);
    absl::StrAppend(&json, json.size() > 1 ? "," : "", "\"", name.name,
                    "\":", value.has_value() ? absl::StrCat(*value) : "null");
  }
  return json + "}";
}

}  // namespace touchstone
