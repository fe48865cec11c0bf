#include "vmm/config/json_writer.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "vmm/config/schema.h"
#include "vmm/config/text.h"

namespace touchstone {
namespace {

std::string NewLine(int level) { return "\n" + std::string(static_cast<size_t>(level) * 2, ' '); }

void Append(const DynamicMessage& message, const FieldDescriptor* field, int level,
            std::string& out);

void AppendStruct(const DynamicMessage& message, int level, std::string& out) {
  const std::vector<const FieldDescriptor*> fields = message.ListFields();
  absl::StrAppend(&out, "{");
  for (const FieldDescriptor* field : fields) {
    absl::StrAppend(&out, field == fields[0] ? "" : ",", NewLine(level + 1),
                    QuoteJson(NameOf(field)), ": ");
    Append(message, field, level + 1, out);
  }
  absl::StrAppend(&out, fields.empty() ? "" : NewLine(level), "}");
}

void AppendTuple(const DynamicMessage& message, int level, std::string& out) {
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    absl::StrAppend(&out, i == 0 ? "[" : ", ");
    Append(message, message.GetDescriptor()->field(i), level, out);
  }
  absl::StrAppend(&out, "]");
}

void AppendMessage(const DynamicMessage& message, int level, std::string& out) {
  const MessageOption structure = StructureOf(message.GetDescriptor());
  if (structure.wrapper()) return Append(message, message.GetDescriptor()->field(0), level, out);
  if (structure.tuple()) return AppendTuple(message, level, out);
  // A variant is an object with one key.
  AppendStruct(message, level, out);
}

void AppendOne(const DynamicMessage& message, const FieldDescriptor* field, int index, int level,
               std::string& out) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      absl::StrAppend(&out, message.GetBool(field, index) ? "true" : "false");
      return;
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
      absl::StrAppend(&out, message.GetSigned(field, index));
      return;
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      absl::StrAppend(&out, message.GetNumber(field, index));
      return;
    case FieldDescriptor::CPPTYPE_ENUM:
      absl::StrAppend(&out, QuoteJson(NameOf(message.GetEnum(field, index))));
      return;
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return AppendMessage(message.GetMessage(field, index), level, out);
    case FieldDescriptor::CPPTYPE_STRING:
      absl::StrAppend(&out, QuoteJson(message.GetText(field, index)));
      return;
  }
}

void Append(const DynamicMessage& message, const FieldDescriptor* field, int level,
            std::string& out) {
  if (!field->is_repeated()) return AppendOne(message, field, 0, level, out);
  const int size = message.FieldSize(field);
  absl::StrAppend(&out, "[");
  for (int i = 0; i < size; ++i) {
    absl::StrAppend(&out, i == 0 ? "" : ",", NewLine(level + 1));
    AppendOne(message, field, i, level + 1, out);
  }
  absl::StrAppend(&out, size == 0 ? "" : NewLine(level), "]");
}

}  // namespace

std::string WriteJson(const DynamicMessage& message) {
  std::string out;
  AppendMessage(message, 0, out);
  return out + "\n";
}

}  // namespace touchstone
