#include "vmm/config/text.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace touchstone {
namespace {

constexpr size_t kMaxShown = 60;
constexpr size_t kMaxCompared = 64;

// Of inserted, lost, replaced and swapped characters (optimal string alignment).
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> before_last;
  std::vector<size_t> last(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    std::vector<size_t> row(b.size() + 1);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] =
          std::min({last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1), last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last = std::exchange(last, std::move(row));
  }
  return last[b.size()];
}

}  // namespace

std::string Quote(absl::string_view text) {
  const bool cut = text.size() > kMaxShown;
  if (cut) text = text.substr(0, kMaxShown);
  std::string escaped;
  for (const char c : text) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      escaped += absl::CHexEscape(absl::string_view(&c, 1));
    } else {
      escaped.push_back(c);
    }
  }
  return absl::StrCat("'", escaped, cut ? "..." : "", "'");
}

std::string QuoteJson(absl::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted.push_back('\\');
      quoted.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(&quoted, "\\u%04x", static_cast<unsigned>(c));
    } else {
      quoted.push_back(c);
    }
  }
  quoted.push_back('"');
  return quoted;
}

std::string ClosestName(absl::string_view text, const std::vector<std::string>& names) {
  if (text.empty() || text.size() > kMaxCompared) return "";
  // One mistake in short words, more in long ones; never so many that nothing of it is left.
  size_t best_distance = std::min(std::max<size_t>(text.size() / 3, 1), text.size() - 1);
  std::string best;
  for (const std::string& name : names) {
    if (name.size() > kMaxCompared) continue;
    const size_t distance = EditDistance(text, name);
    if (distance > best_distance || (distance == best_distance && !best.empty())) continue;
    best_distance = distance;
    best = name;
  }
  return best;
}

std::string DidYouMean(absl::string_view text, const std::vector<std::string>& names,
                       absl::string_view prefix) {
  const std::string closest = ClosestName(text, names);
  if (closest.empty()) return "";
  return absl::StrCat(" (did you mean ", prefix, closest, "?)");
}

}  // namespace touchstone
