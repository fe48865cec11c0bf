// The text of one plain value (bool, number, enum, string) into a field of a message.

#ifndef TOUCHSTONE_VMM_CONFIG_VALUE_H_
#define TOUCHSTONE_VMM_CONFIG_VALUE_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "devices/module/descriptor.h"
#include "devices/module/dynamic_message.h"

namespace touchstone {

// Integers as the key=value language writes them (crosvm.md 4.1): optional "-" for signed ones,
// optional prefix 0x, 0o or 0b, digits; nothing else, and leading zeros stay decimal. Nothing when
// it is no such number or out of [min, max].
std::optional<uint64_t> ParseUnsigned(absl::string_view text, uint64_t min, uint64_t max);
std::optional<int64_t> ParseSigned(absl::string_view text, int64_t min, int64_t max);

// Sets `field` of `message` from the whole of `text`, or appends to it when it is repeated. With
// Grammar RANGES, "2-5" appends four numbers. Errors name the text and what is accepted; adding
// which option or key is the caller's part. REQUIRES: the field belongs to the message and is no
// message itself.
absl::Status SetValue(DynamicMessage& message, const FieldDescriptor* field,
                      absl::string_view text);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_VALUE_H_
