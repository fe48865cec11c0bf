#include "vmm/config/key_value_testing.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "vmm/config/schema.h"

namespace touchstone {
namespace {

std::string FormatField(const DynamicMessage& message, const FieldDescriptor* field);

std::string FormatMessage(const DynamicMessage& message) {
  const MessageOption structure = StructureOf(message.GetDescriptor());
  const Descriptor* type = message.GetDescriptor();
  if (structure.wrapper()) return FormatField(message, type->field(0));
  if (!structure.variant()) return absl::StrCat("[", FormatKeyValue(message), "]");
  const std::vector<const FieldDescriptor*> set = message.ListFields();
  if (set.empty()) return "";
  if (IsPlainVariant(set[0])) return NameOf(set[0]);
  return absl::StrCat(NameOf(set[0]), FormatMessage(message.GetMessage(set[0])));
}

std::string FormatOne(const DynamicMessage& message, const FieldDescriptor* field, int index) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return message.GetBool(field, index) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(message.GetSigned(field, index));
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(message.GetNumber(field, index));
    case FieldDescriptor::CPPTYPE_ENUM:
      return NameOf(message.GetEnum(field, index));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return FormatMessage(message.GetMessage(field, index));
    default:
      return absl::StrCat(
          "\"",
          absl::StrReplaceAll(message.GetText(field, index), {{"\\", "\\\\"}, {"\"", "\\\""}}),
          "\"");
  }
}

std::string FormatField(const DynamicMessage& message, const FieldDescriptor* field) {
  if (!field->is_repeated()) return FormatOne(message, field, 0);
  std::vector<std::string> elements;
  for (int i = 0; i < message.FieldSize(field); ++i) {
    elements.push_back(FormatOne(message, field, i));
  }
  return absl::StrCat("[", absl::StrJoin(elements, ","), "]");
}

}  // namespace

std::string FormatKeyValue(const DynamicMessage& message) {
  const bool tuple = StructureOf(message.GetDescriptor()).tuple();
  std::vector<std::string> parts;
  for (const FieldDescriptor* field : message.ListFields()) {
    const std::string text = FormatField(message, field);
    parts.push_back(tuple ? text : absl::StrCat(NameOf(field), "=", text));
  }
  return absl::StrJoin(parts, ",");
}

}  // namespace touchstone
