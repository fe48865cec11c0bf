// A JSON object into a configuration message, by its schema (crosvm.md 4.3).
//
//   {"kernel": "/boot/vmlinuz", "mem": {"size": 512}, "params": ["quiet"],
//    "block": [{"path": "/d.img", "ro": true}]}
//
// Names are those of the command line and of the key=value language, which says what a value means:
//
//   struct   {"key": value}             a key that is not known, or given twice, is an error
//   list     [value, value]             tuples too
//   variant  {"v": value}, or "v"       the latter when it has no data, or only defaults
//   number   5 -5                       of a set of CPUs also "0-3"
//   bool     true false
//   null     for any value that is no list: not given
//
// Protobuf's own reader would not do: it knows neither tuples, variants nor sets, spells the values
// of enums otherwise, and cannot say on which line an error is.

#ifndef TOUCHSTONE_VMM_CONFIG_JSON_READER_H_
#define TOUCHSTONE_VMM_CONFIG_JSON_READER_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "devices/module/dynamic_message.h"
#include "vmm/config/refused_options.h"

namespace touchstone {

// Reads `text`, one object, into `message`, which must be empty. Errors say the line, the place
// ("serial[0].type"), the text and what is accepted. The work is linear in the text, and nesting as
// deep as the schema. Keys of the object that are refused options go to `refused`; without it they
// are unknown. After an error the content is unspecified.
absl::Status ReadJson(absl::string_view text, DynamicMessage& message,
                      RefusedOptions* refused = nullptr);

// The same for a message that has a class (dynamic_message.h).
template <typename Proto>
absl::Status ReadJson(absl::string_view text, Proto& message, RefusedOptions* refused = nullptr) {
  return EditAsTree(message, [&](DynamicMessage& tree) { return ReadJson(text, tree, refused); });
}

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_JSON_READER_H_
