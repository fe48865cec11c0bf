// The key=value language of option values (crosvm.md 4.1), read into a message by its schema.
//
//   SerialConfig serial;
//   RETURN_IF_ERROR(ParseKeyValue("file,path=/tmp/log,num=2,console", serial));
//
//   struct   key=value,key=value,...   one comma may trail; the first value may leave out the key
//   of the first field;
//            a bool key alone is true; a nested struct is field=[key=value,...], or field alone for
//            its defaults
//   list     [a,b,c]                   brackets even for one element; [[k=v],[k=v]] for structs
//   tuple    [a,b]                     as many as the message has fields (MessageOption.tuple)
//   variant  v  v[a,b]  v[k=v]         an enum with data (MessageOption.variant)
//   number   -5 0x1f 0o17 0b101 007    no sign for unsigned fields, no unit, decimal unless
//   prefixed string   anything but , [ ] " '    or "..." with \" and \\ as the only escapes, or
//   '...' without any
//
// Errors name the key, the text, what is accepted, and its byte position from 0. The work is linear
// in the text, and nesting is as deep as the schema, not as the text.

#ifndef TOUCHSTONE_VMM_CONFIG_KEY_VALUE_H_
#define TOUCHSTONE_VMM_CONFIG_KEY_VALUE_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "devices/module/dynamic_message.h"

namespace touchstone {

// Reads `text` into `message`, which must be empty. After an error its content is unspecified.
absl::Status ParseKeyValue(absl::string_view text, DynamicMessage& message);

// The same for a message that has a class (dynamic_message.h).
template <typename Proto>
absl::Status ParseKeyValue(absl::string_view text, Proto& message) {
  return EditAsTree(message, [&](DynamicMessage& tree) { return ParseKeyValue(text, tree); });
}

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_KEY_VALUE_H_
