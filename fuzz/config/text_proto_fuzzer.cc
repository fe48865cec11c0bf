// Configurations as text protos: any text is read or refused, and what is read survives being
// written and read again.
//
// The first byte chooses the message.

#include <cstddef>
#include <cstdint>

#include "devices/module/text_proto.h"
#include "fuzz/config/round_trip.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace touchstone;  // NOLINT(google-build-using-namespace)
  const auto read = [](absl::string_view text, DynamicMessage& message) {
    return ReadTextProto(text, message);
  };
  const auto write = [](const DynamicMessage& message) { return WriteTextProto(message); };
  ReadWriteRead(data, size, {.read = read, .read_again = read, .write = write});
  return 0;
}
