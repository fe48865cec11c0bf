// The key=value language: any text is read or refused, and what is read survives being written and
// read again.
//
// The first byte chooses the message.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/log.h"
#include "devices/platform/serial/serial.pb.h"
#include "google/protobuf/message.h"
#include "vmm/config/config.pb.h"
#include "vmm/config/key_value.h"
#include "vmm/config/key_value_test.pb.h"
#include "vmm/config/key_value_testing.h"

namespace touchstone {
namespace {

void ReadWriteRead(absl::string_view text, const google::protobuf::Message& prototype) {
  const std::unique_ptr<google::protobuf::Message> first(prototype.New());
  const absl::Status status = ParseKeyValue(text, *first);
  if (!status.ok()) {
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    CHECK(!status.message().empty() && status.message().size() < 1000);
    CHECK(status.message().find('\n') == absl::string_view::npos);
    return;
  }
  const std::unique_ptr<google::protobuf::Message> second(prototype.New());
  CHECK(ParseKeyValue(FormatKeyValue(*first), *second).ok());
  CHECK(first->DebugString() == second->DebugString());
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const google::protobuf::Message* const prototypes[] = {
      &touchstone::SerialConfig::default_instance(), &touchstone::MemoryConfig::default_instance(),
      &touchstone::CpuConfig::default_instance(),    &touchstone::S::default_instance(),
      &touchstone::TestForms::default_instance(),    &touchstone::TestNumbers::default_instance()};
  if (size == 0) return 0;
  const absl::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  touchstone::ReadWriteRead(text, *prototypes[data[0] % std::size(prototypes)]);
  return 0;
}
