#include "vmm/config/uuid.h"

#include <algorithm>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "vmm/config/text.h"

namespace touchstone {
namespace {

constexpr size_t kDigits = 32;
constexpr size_t kHyphens[] = {8, 13, 18, 23};

// The text without its decoration; hyphens that stand elsewhere stay.
std::string Digits(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, "urn:uuid:") && text.size() > 2 && text.front() == '{' &&
      text.back() == '}') {
    text = text.substr(1, text.size() - 2);
  }
  if (text.size() != kDigits + std::size(kHyphens)) return std::string(text);
  std::string digits;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool hyphen =
        std::find(std::begin(kHyphens), std::end(kHyphens), i) != std::end(kHyphens);
    if (!hyphen || text[i] != '-') digits.push_back(text[i]);
  }
  return digits;
}

}  // namespace

absl::StatusOr<std::array<uint8_t, 16>> ParseUuid(absl::string_view text) {
  const std::string digits = Digits(text);
  if (digits.size() != kDigits ||
      !std::all_of(digits.begin(), digits.end(), absl::ascii_isxdigit)) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quote(text), " is no UUID such as 00112233-4455-6677-8899-aabbccddeeff"));
  }
  const std::string bytes = absl::HexStringToBytes(digits);
  std::array<uint8_t, 16> uuid;
  std::copy(bytes.begin(), bytes.end(), uuid.begin());
  return uuid;
}

}  // namespace touchstone
