// Options that are known but refused: what is not implemented yet, and what cannot be on this
// platform (devices/module/options.proto).
//
// They are part of the schema, vmm/config/config.proto, but no part of RunConfig, whose class would
// be much larger with them.

#ifndef TOUCHSTONE_VMM_CONFIG_REFUSED_OPTIONS_H_
#define TOUCHSTONE_VMM_CONFIG_REFUSED_OPTIONS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "devices/module/descriptor.h"
#include "devices/module/dynamic_message.h"

namespace touchstone {

// What was given of them. Thread-compatible; type() is thread-safe.
class RefusedOptions {
 public:
  // Their schema: a message with a field for each.
  static const Descriptor* type();

  // What was given, read as any other option is, so that its value is checked too.
  DynamicMessage& message() { return message_; }

  // A line for each option that was given, in the order of the schema: which, and why it is
  // refused.
  void AppendErrors(std::vector<std::string>& errors) const;

 private:
  DynamicMessage message_{type()};
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_REFUSED_OPTIONS_H_
