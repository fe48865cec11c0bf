// The inverse of ParseKeyValue, for round trips in tests and fuzzers.

#ifndef TOUCHSTONE_VMM_CONFIG_KEY_VALUE_TESTING_H_
#define TOUCHSTONE_VMM_CONFIG_KEY_VALUE_TESTING_H_

#include <string>

#include "devices/module/dynamic_message.h"

namespace touchstone {

// A text that ParseKeyValue reads as `message`: all present fields with their keys, strings quoted.
std::string FormatKeyValue(const DynamicMessage& message);

// The same for a message that has a class.
template <typename Proto>
std::string FormatKeyValue(const Proto& message) {
  return FormatKeyValue(ToTree(message));
}

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_KEY_VALUE_TESTING_H_
