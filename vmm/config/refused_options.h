// Options that are known but refused: what is not implemented yet, and what cannot be on this
// platform (devices/module/options.proto).
//
// They are part of the schema, vmm/config/config.proto, but no part of RunConfig: their descriptors
// are data in the program, which is read when one of them is given or listed. Building them at
// every start would take longer than all else that reading a command line does.

#ifndef TOUCHSTONE_VMM_CONFIG_REFUSED_OPTIONS_H_
#define TOUCHSTONE_VMM_CONFIG_REFUSED_OPTIONS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace touchstone {

// What was given of them. Thread-compatible; type() is thread-safe.
class RefusedOptions {
 public:
  // Their schema: a message with a field for each.
  static const google::protobuf::Descriptor* type();

  // What was given, read as any other option is, so that its value is checked too.
  google::protobuf::Message& message();

  // A line for each option that was given, in the order of the schema: which, and why it is
  // refused.
  void AppendErrors(std::vector<std::string>& errors) const;

 private:
  std::unique_ptr<google::protobuf::Message> message_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_REFUSED_OPTIONS_H_
