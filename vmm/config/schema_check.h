// The checks that the schema itself asks for, on a configuration from any source (a parsed command
// line has passed most of them already, a configuration file has not).

#ifndef TOUCHSTONE_VMM_CONFIG_SCHEMA_CHECK_H_
#define TOUCHSTONE_VMM_CONFIG_SCHEMA_CHECK_H_

#include <string>
#include <vector>

#include "devices/module/dynamic_message.h"

namespace touchstone {

// Appends a line for every number out of its range, every unavailable field or value, and every
// missing required field.
void CheckSchema(const DynamicMessage& config, std::vector<std::string>& errors);

// The same for a message that has a class (dynamic_message.h).
template <typename Proto>
void CheckSchema(const Proto& config, std::vector<std::string>& errors) {
  CheckSchema(ToTree(config), errors);
}

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_SCHEMA_CHECK_H_
