// The checks that the schema itself asks for, on a configuration from any source (a parsed command
// line has passed most of them already, a configuration file has not).

#ifndef TOUCHSTONE_VMM_CONFIG_SCHEMA_CHECK_H_
#define TOUCHSTONE_VMM_CONFIG_SCHEMA_CHECK_H_

#include <string>
#include <vector>

#include "google/protobuf/message.h"

namespace touchstone {

// Appends a line for every number out of its range, every unavailable field or value, and every
// missing required field.
void CheckSchema(const google::protobuf::Message& config, std::vector<std::string>& errors);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_SCHEMA_CHECK_H_
