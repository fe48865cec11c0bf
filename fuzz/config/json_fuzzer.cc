// JSON configurations: any text is read or refused, and what is read survives being written and
// read again.
//
// The first byte chooses the message.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "base/log.h"
#include "google/protobuf/message.h"
#include "vmm/config/config.pb.h"
#include "vmm/config/json_reader.h"
#include "vmm/config/json_writer.h"
#include "vmm/config/key_value_test.pb.h"
#include "vmm/config/refused_options.h"

namespace touchstone {
namespace {

void ReadWriteRead(absl::string_view text, const google::protobuf::Message& prototype) {
  const std::unique_ptr<google::protobuf::Message> first(prototype.New());
  RefusedOptions refused;
  const bool is_run = prototype.GetDescriptor() == RunConfig::descriptor();
  const absl::Status status = ReadJson(text, *first, is_run ? &refused : nullptr);
  if (!status.ok()) {
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    CHECK(absl::StartsWith(status.message(), "line ") && status.message().size() < 1000);
    CHECK(status.message().find('\n') == absl::string_view::npos);
    return;
  }
  const std::unique_ptr<google::protobuf::Message> second(prototype.New());
  const std::string json = WriteJson(*first);
  CHECK(ReadJson(json, *second).ok());
  CHECK(first->DebugString() == second->DebugString());
  CHECK(WriteJson(*second) == json);
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const google::protobuf::Message* const prototypes[] = {
      &touchstone::RunConfig::default_instance(), &touchstone::TestForms::default_instance(),
      &touchstone::S::default_instance(), &touchstone::TestNumbers::default_instance()};
  if (size == 0) return 0;
  const absl::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  touchstone::ReadWriteRead(text, *prototypes[data[0] % std::size(prototypes)]);
  return 0;
}
