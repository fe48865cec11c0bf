// UUIDs as text (RFC 4122, section 3).

#ifndef TOUCHSTONE_VMM_CONFIG_UUID_H_
#define TOUCHSTONE_VMM_CONFIG_UUID_H_

#include <array>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace touchstone {

// The bytes in the order of the text: 00112233-4455-6677-8899-aabbccddeeff, the same without
// hyphens, in braces, or behind "urn:uuid:"; digits of either case. InvalidArgument, saying what is
// accepted, for anything else.
absl::StatusOr<std::array<uint8_t, 16>> ParseUuid(absl::string_view text);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_UUID_H_
