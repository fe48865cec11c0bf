// What every written form of a configuration keeps: a text is read or refused, and what is read
// survives being written and read again.

#ifndef TOUCHSTONE_FUZZ_CONFIG_ROUND_TRIP_H_
#define TOUCHSTONE_FUZZ_CONFIG_ROUND_TRIP_H_

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "base/log.h"
#include "devices/module/dynamic_message.h"
#include "vmm/config/config_schema.h"
#include "vmm/config/key_value_test_schema.h"

namespace touchstone {

// How a form is read the first time and once it was written, and how it is written.
struct WrittenForm {
  absl::FunctionRef<absl::Status(absl::string_view text, DynamicMessage& message)> read;
  absl::FunctionRef<absl::Status(absl::string_view text, DynamicMessage& message)> read_again;
  absl::FunctionRef<std::string(const DynamicMessage& message)> write;
};

// The first byte chooses the message, the rest is the text.
inline void ReadWriteRead(const uint8_t* data, size_t size, const WrittenForm& form) {
  const Descriptor* const types[] = {SchemaOf<RunConfig>(), SchemaOf<TestForms>(), SchemaOf<S>(),
                                     SchemaOf<TestNumbers>()};
  if (size == 0) return;
  const Descriptor* const type = types[data[0] % std::size(types)];
  const absl::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  DynamicMessage first(type);
  const absl::Status status = form.read(text, first);
  if (!status.ok()) {
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    CHECK(absl::StartsWith(status.message(), "line ") && status.message().size() < 1000);
    CHECK(status.message().find('\n') == absl::string_view::npos);
    return;
  }
  DynamicMessage second(type);
  const std::string written = form.write(first);
  CHECK(form.read_again(written, second).ok());
  CHECK(first.Serialize() == second.Serialize());
  CHECK(form.write(second) == written);
}

}  // namespace touchstone

#endif  // TOUCHSTONE_FUZZ_CONFIG_ROUND_TRIP_H_
