// --help from the schema.

#ifndef TOUCHSTONE_VMM_CONFIG_HELP_H_
#define TOUCHSTONE_VMM_CONFIG_HELP_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "devices/module/descriptor.h"

namespace touchstone {

// Messages whose fields are options.
using OptionTypes = absl::Span<const Descriptor* const>;

// The options with their values, defaults and, unless they are refused, keys: one paragraph each,
// under their groups' headings, wrapped to 80 columns.
std::string OptionsHelp(OptionTypes types);

// The paragraph of one option, with its keys. `name` is one of its names, with its hyphens or
// without, its short flag or an older spelling. Empty when there is no such option.
std::string OptionHelp(OptionTypes types, absl::string_view name);

// The names of all options, without hyphens, older ones too.
std::vector<std::string> OptionNames(OptionTypes types);

// `text` with `indent` blanks before each line, broken at blanks to fit 80 columns where possible.
// Ends in a newline.
std::string Wrap(absl::string_view text, size_t indent);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_HELP_H_
