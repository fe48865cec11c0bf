// A configuration message as JSON, which ReadJson reads back (json_reader.h).

#ifndef TOUCHSTONE_VMM_CONFIG_JSON_WRITER_H_
#define TOUCHSTONE_VMM_CONFIG_JSON_WRITER_H_

#include <string>

#include "devices/module/dynamic_message.h"

namespace touchstone {

// What is set in `message`, in the order of the field numbers, two blanks a level, ending in a
// newline.
std::string WriteJson(const DynamicMessage& message);

// The same for a message that has a class (dynamic_message.h).
template <typename Proto>
std::string WriteJson(const Proto& message) {
  return WriteJson(ToTree(message));
}

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_JSON_WRITER_H_
