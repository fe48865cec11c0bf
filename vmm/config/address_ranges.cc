#include "vmm/config/address_ranges.h"

#include <algorithm>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "vmm/config/text.h"
#include "vmm/config/value.h"

namespace touchstone {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kLargestEcam = 256 * kMiB;
constexpr uint64_t kFourGiB = uint64_t{1} << 32;

std::optional<uint64_t> ParseAddress(absl::string_view text) {
  return ParseUnsigned(text, 0, UINT64_MAX);
}

absl::Status Refuse(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(Quote(text), why));
}

}  // namespace

absl::StatusOr<ConfiguredRange> ParseEcam(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ',');
  const std::optional<uint64_t> base = ParseAddress(parts[0]);
  const std::optional<uint64_t> length = parts.size() == 2 ? ParseAddress(parts[1]) : std::nullopt;
  if (!base.has_value() || !length.has_value()) {
    return Refuse(text, " is no BASE,LENGTH such as 0x80000000,0x10000000");
  }
  const ConfiguredRange range = {*base, std::min(*length, kLargestEcam)};
  if (range.size == 0 || range.start % kMiB != 0 || range.size % kMiB != 0) {
    return Refuse(text, ": base and length are multiples of 1 MiB, the length is not 0");
  }
  if (range.start % range.size != 0) return Refuse(text, ": the base is a multiple of the length");
  // A multiple of the size below 4 GiB: the sum does not wrap.
  if (range.start >= kFourGiB || range.start + range.size >= kFourGiB) {
    return Refuse(text, ": the end is below 4 GiB");
  }
  return range;
}

absl::StatusOr<std::vector<ConfiguredRange>> ParseAddressRanges(absl::string_view text) {
  std::vector<ConfiguredRange> ranges;
  for (const absl::string_view element : absl::StrSplit(text, ',')) {
    const std::vector<absl::string_view> ends = absl::StrSplit(element, '-');
    const std::optional<uint64_t> first = ParseAddress(ends[0]);
    const std::optional<uint64_t> last = ends.size() == 2 ? ParseAddress(ends[1]) : std::nullopt;
    // The size of all addresses has no number.
    if (!first.has_value() || !last.has_value() || *first > *last || *last - *first == UINT64_MAX) {
      return Refuse(element, " is no START-END such as 0xd0000000-0xd0ffffff");
    }
    ranges.push_back({*first, *last - *first + 1});
  }
  return ranges;
}

}  // namespace touchstone
