// Struct values that are separated by colons, as older options have them (crosvm.md 1.5):
//
//   /srv/data:share:type=fs:uid=0     GRAMMAR_COLONS: what is required, then key=value
//   /tmp/socket:1280:1024:name        GRAMMAR_KEYS_OR_COLONS: values only
//
// There are no quotes: no value contains a colon.

#ifndef TOUCHSTONE_VMM_CONFIG_COLONS_H_
#define TOUCHSTONE_VMM_CONFIG_COLONS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "devices/module/dynamic_message.h"

namespace touchstone {

// Reads `text` into `message`, which must be empty. The first parts are the values of the required
// fields, in the order of the schema; the others are key=value if `keyed`, else the values of the
// fields that follow. After an error the content is unspecified. REQUIRES: the fields are plain
// values, the required ones first.
absl::Status ParseColons(absl::string_view text, bool keyed, DynamicMessage& message);

// The same for a message that has a class (dynamic_message.h).
template <typename Proto>
absl::Status ParseColons(absl::string_view text, bool keyed, Proto& message) {
  return EditAsTree(message, [&](DynamicMessage& tree) { return ParseColons(text, keyed, tree); });
}

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_COLONS_H_
