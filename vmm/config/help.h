// --help from the schema.

#ifndef TOUCHSTONE_VMM_CONFIG_HELP_H_
#define TOUCHSTONE_VMM_CONFIG_HELP_H_

#include <string>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"

namespace touchstone {

// The options of `config` with their values, keys and defaults: one paragraph each, under their
// groups' headings, wrapped to 80 columns.
std::string OptionsHelp(const google::protobuf::Descriptor* config);

// `text` with `indent` blanks before each line, broken at blanks to fit 80 columns where possible.
// Ends in a newline.
std::string Wrap(absl::string_view text, size_t indent);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_HELP_H_
