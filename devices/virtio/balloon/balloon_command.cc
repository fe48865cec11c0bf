#include "devices/virtio/balloon/balloon_command.h"

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/json_cursor.h"
#include "base/status.h"
#include "devices/module/dynamic_message.h"
#include "devices/virtio/balloon/balloon_schema.h"

namespace touchstone {
namespace {

absl::Status ReadObject(JsonCursor& json, DynamicMessage& message);

absl::Status ReadValue(JsonCursor& json, DynamicMessage& message, const FieldDescriptor* field) {
  if (field->message_type() != nullptr) return ReadObject(json, message.PutMessage(field));
  if (json.TakeWord("null")) return absl::OkStatus();
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
    const bool value = json.TakeWord("true");
    if (!value && !json.TakeWord("false")) return json.Expected("true or false");
    message.PutNumber(field, value ? 1 : 0);
    return absl::OkStatus();
  }
  const absl::string_view token = json.TakeToken();
  uint64_t number = 0;
  if (!absl::SimpleAtoi(token, &number)) {
    return absl::InvalidArgumentError(absl::StrCat(field->json_name(), " is no number from 0 on"));
  }
  message.PutNumber(field, number);
  return absl::OkStatus();
}

// The schema has messages, bools and uint64 only.
absl::Status ReadObject(JsonCursor& json, DynamicMessage& message) {
  if (!json.Take('{')) return json.Expected("an object");
  if (json.Take('}')) return absl::OkStatus();
  do {
    ASSIGN_OR_RETURN(const std::string name, json.TakeString());
    const Descriptor* type = message.GetDescriptor();
    const FieldDescriptor* field = nullptr;
    for (int i = 0; i < type->field_count(); ++i) {
      if (type->field(i)->json_name() == name) field = type->field(i);
    }
    if (field == nullptr) return absl::InvalidArgumentError(absl::StrCat("no such key: ", name));
    if (message.HasField(field)) return absl::InvalidArgumentError(name + " is given twice");
    if (!json.Take(':')) return json.Expected("':'");
    RETURN_IF_ERROR(ReadValue(json, message, field));
  } while (json.Take(','));
  return json.Take('}') ? absl::OkStatus() : json.Expected("',' or '}'");
}

}  // namespace

absl::StatusOr<BalloonCommand> ParseBalloonCommand(absl::string_view text) {
  // A command without operands is its name.
  if (absl::StripAsciiWhitespace(text) == "\"Stats\"") text = R"({"Stats":{}})";
  JsonCursor json(text);
  DynamicMessage tree(SchemaOf<BalloonCommand>());
  RETURN_IF_ERROR(ReadObject(json, tree));
  if (!json.AtEnd()) return json.Expected("the end of the text");
  BalloonCommand command = ToProto<BalloonCommand>(tree);
  if (command.has_adjust() == command.has_stats()) {
    return absl::InvalidArgumentError("neither Adjust nor Stats, or both");
  }
  return command;
}

}  // namespace touchstone
