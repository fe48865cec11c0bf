#include "integration/boot/complaints.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "re2/re2.h"

namespace touchstone {
namespace {

struct Line {
  int level = 0;
  std::string text;
};

// "<4>[    0.123456] PCI: conflict at 0xfe12" -> 4, "PCI: conflict at #".
Line Parse(absl::string_view raw) {
  static const RE2& kPrefix = *new RE2(R"(^<(\d+)>\[ *[\d.]+\] )");
  static const RE2& kNumber = *new RE2(R"(\b(0x[0-9a-f]+|[0-9a-f]*[0-9][0-9a-f]*|[0-9a-f]{8,})\b)");
  Line line;
  re2::StringPiece rest(raw.data(), raw.size());
  int facility_and_level = 0;
  if (RE2::Consume(&rest, kPrefix, &facility_and_level)) line.level = facility_and_level & 7;
  line.text = std::string(rest);
  RE2::GlobalReplace(&line.text, kNumber, "#");
  return line;
}

bool IsComplaint(const Line& line) {
  constexpr int kWarning = 4;
  static const RE2& kPart = *new RE2(
      "(?i)acpi|pci|apic|msi|irq|interrupt|timer|clock|tsc|hpet|i8254|pit|rtc|mtrr|e820|serial|tty|"
      "8250|pnp|mce|mmconfig|ecam|resource");
  static const RE2& kWord = *new RE2(
      R"((?i)\b(warn(ing)?|errors?|bugs?|fail(s|ed|ure)?|unable|can(no|')t|not|no|bad|broken|buggy|)"
      R"(conflicts?|invalid|mismatch|missing|unstable|unreliable|unexpected|spurious|stuck|lost|)"
      R"(refus(ing|ed)|reject(ing|ed)|ignor(ing|ed)|disabl(ing|ed)|limiting|workaround|quirk|)"
      R"(skew|slow|timed out|timeout|too)\b)");
  if (line.text.empty()) return false;
  return line.level <= kWarning ||
         (RE2::PartialMatch(line.text, kPart) && RE2::PartialMatch(line.text, kWord));
}

}  // namespace

std::set<std::string> Complaints(absl::string_view log) {
  std::set<std::string> complaints;
  bool in_dump = false;
  for (const absl::string_view raw : absl::StrSplit(log, '\n')) {
    const Line line = Parse(raw);
    if (absl::StartsWith(line.text, "Modules linked in:")) in_dump = true;
    if (!in_dump && IsComplaint(line)) complaints.insert(line.text);
    if (absl::StartsWith(line.text, "---[ end trace")) in_dump = false;
  }
  return complaints;
}

std::vector<std::string> Missing(const std::set<std::string>& ours,
                                 const std::set<std::string>& theirs) {
  std::vector<std::string> missing;
  std::set_difference(ours.begin(), ours.end(), theirs.begin(), theirs.end(),
                      std::back_inserter(missing));
  return missing;
}

}  // namespace touchstone
