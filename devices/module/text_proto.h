// Messages of the schema in protobuf's text format
// (https://protobuf.dev/reference/protobuf/textformat-spec): the field names of the .proto files,
// values as protobuf spells them.
//
//   kernel: "/boot/vmlinuz"  mem { size: 512 }  params: "quiet"  block { path: "/d.img" ro: true }

#ifndef TOUCHSTONE_DEVICES_MODULE_TEXT_PROTO_H_
#define TOUCHSTONE_DEVICES_MODULE_TEXT_PROTO_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "devices/module/dynamic_message.h"

namespace touchstone {

// Reads `text` into `message`, which must be empty. Errors say the line and what is wrong there;
// unknown fields and second values of a field that is not repeated are errors. The work is linear
// in the text, and nesting as deep as the schema. After an error the content is unspecified.
absl::Status ReadTextProto(absl::string_view text, DynamicMessage& message);

// The same for a message that has a class.
template <typename Proto>
absl::Status ReadTextProto(absl::string_view text, Proto& message) {
  return EditAsTree(message, [&](DynamicMessage& tree) { return ReadTextProto(text, tree); });
}

// On one line: cid: 3 device: "/d".
std::string WriteTextProto(const DynamicMessage& message);

template <typename Proto>
std::string WriteTextProto(const Proto& message) {
  return WriteTextProto(ToTree(message));
}

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_MODULE_TEXT_PROTO_H_
