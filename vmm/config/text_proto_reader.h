// A configuration in protobuf's text format: the field names of the schema, values as protobuf
// spells them.
//
//   kernel: "/boot/vmlinuz"  mem { size: 512 }  params: "quiet"  block { path: "/d.img" ro: true }

#ifndef TOUCHSTONE_VMM_CONFIG_TEXT_PROTO_READER_H_
#define TOUCHSTONE_VMM_CONFIG_TEXT_PROTO_READER_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace touchstone {

// Reads `text` into `message`, which must be empty. Errors say the line and what is wrong there;
// unknown fields are errors. After an error the content is unspecified.
absl::Status ReadTextProto(absl::string_view text, google::protobuf::Message& message);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_TEXT_PROTO_READER_H_
