// The key=value language: any text is read or refused, and what is read survives being written and
// read again.
//
// The first byte chooses the message.

#include <cstddef>
#include <cstdint>
#include <iterator>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/log.h"
#include "devices/module/dynamic_message.h"
#include "devices/platform/serial/serial_schema.h"
#include "vmm/config/config_schema.h"
#include "vmm/config/key_value.h"
#include "vmm/config/key_value_test_schema.h"
#include "vmm/config/key_value_testing.h"

namespace touchstone {
namespace {

void ReadWriteRead(absl::string_view text, const Descriptor* type) {
  DynamicMessage first(type);
  const absl::Status status = ParseKeyValue(text, first);
  if (!status.ok()) {
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    CHECK(!status.message().empty() && status.message().size() < 1000);
    CHECK(status.message().find('\n') == absl::string_view::npos);
    return;
  }
  DynamicMessage second(type);
  CHECK(ParseKeyValue(FormatKeyValue(first), second).ok());
  CHECK(first.Serialize() == second.Serialize());
  DynamicMessage parsed(type);
  CHECK(parsed.Parse(first.Serialize()) && parsed.Serialize() == first.Serialize());
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace touchstone;  // NOLINT(google-build-using-namespace)
  const Descriptor* const types[] = {SchemaOf<SerialConfig>(), SchemaOf<MemoryConfig>(),
                                     SchemaOf<CpuConfig>(),    SchemaOf<S>(),
                                     SchemaOf<TestForms>(),    SchemaOf<TestNumbers>()};
  if (size == 0) return 0;
  const absl::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  ReadWriteRead(text, types[data[0] % std::size(types)]);
  return 0;
}
