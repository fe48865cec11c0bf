#include "devices/virtio/balloon/balloon_statistics.h"

#include <algorithm>
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

}  // namespace

void BalloonStatistics::Set(const BalloonStatistic& statistic) {
  const auto tag = static_cast<BalloonTag>(statistic.tag.get());
  const bool known = std::any_of(std::begin(kNames), std::end(kNames),
                                 [tag](const Name& name) { return name.tag == tag; });
  if (known) values_[statistic.tag] = statistic.value;
}

absl::optional<uint64_t> BalloonStatistics::Get(BalloonTag tag) const {
  const auto found = values_.find(static_cast<uint16_t>(tag));
  if (found == values_.end()) return absl::nullopt;
  return found->second;
}

std::string BalloonStatistics::ToJson() const {
  std::string json = "{";
  for (const Name& name : kNames) {
    const absl::optional<uint64_t> value = Get(name.tag);
    absl::StrAppend(&json, json.size() > 1 ? "," : "", "\"", name.name,
                    "\":", value.has_value() ? absl::StrCat(*value) : "null");
  }
  return json + "}";
}

}  // namespace touchstone
