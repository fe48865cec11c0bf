// JSON configurations: any text is read or refused, and what is read survives being written and
// read again.
//
// The first byte chooses the message.

#include <cstddef>
#include <cstdint>

#include "fuzz/config/round_trip.h"
#include "vmm/config/json_reader.h"
#include "vmm/config/json_writer.h"
#include "vmm/config/refused_options.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace touchstone;  // NOLINT(google-build-using-namespace)
  RefusedOptions refused;
  const auto read = [&refused](absl::string_view text, DynamicMessage& message) {
    const bool is_run = message.GetDescriptor() == SchemaOf<RunConfig>();
    return ReadJson(text, message, is_run ? &refused : nullptr);
  };
  const auto read_again = [](absl::string_view text, DynamicMessage& message) {
    return ReadJson(text, message);
  };
  const auto write = [](const DynamicMessage& message) { return WriteJson(message); };
  ReadWriteRead(data, size, {.read = read, .read_again = read_again, .write = write});
  return 0;
}
