// Configurations as text protos: any text is read or refused, and what is read survives being
// written and read again.
//
// The first byte chooses the message.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "base/log.h"
#include "devices/module/dynamic_message.h"
#include "devices/module/text_proto.h"
#include "vmm/config/config_schema.h"
#include "vmm/config/key_value_test_schema.h"

namespace touchstone {
namespace {

void ReadWriteRead(absl::string_view text, const Descriptor* type) {
  DynamicMessage first(type);
  const absl::Status status = ReadTextProto(text, first);
  if (!status.ok()) {
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    CHECK(absl::StartsWith(status.message(), "line ") && status.message().size() < 1000);
    CHECK(status.message().find('\n') == absl::string_view::npos);
    return;
  }
  DynamicMessage second(type);
  const std::string written = WriteTextProto(first);
  CHECK(ReadTextProto(written, second).ok());
  CHECK(first.Serialize() == second.Serialize());
  CHECK(WriteTextProto(second) == written);
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace touchstone;  // NOLINT(google-build-using-namespace)
  const Descriptor* const types[] = {SchemaOf<RunConfig>(), SchemaOf<TestForms>(), SchemaOf<S>(),
                                     SchemaOf<TestNumbers>()};
  if (size == 0) return 0;
  const absl::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  ReadWriteRead(text, types[data[0] % std::size(types)]);
  return 0;
}
