// How messages to the user show text that came from the user.

#ifndef TOUCHSTONE_VMM_CONFIG_TEXT_H_
#define TOUCHSTONE_VMM_CONFIG_TEXT_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace touchstone {

// `text` in single quotes on one line: control characters escaped, cut after 60 bytes.
std::string Quote(absl::string_view text);

// `text` as a JSON string (RFC 8259, 7).
std::string QuoteJson(absl::string_view text);

// The name nearest to `text` by edit distance, or empty when none is near enough to be what was
// meant. Bounded work: texts over 64 bytes are near to nothing.
std::string ClosestName(absl::string_view text, const std::vector<std::string>& names);

// " (did you mean PREFIXname?)", or empty when no name is near.
std::string DidYouMean(absl::string_view text, const std::vector<std::string>& names,
                       absl::string_view prefix = "");

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_TEXT_H_
