#include "vmm/config/key_value_testing.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "google/protobuf/descriptor.h"
#include "vmm/config/schema.h"

namespace touchstone {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::string FormatField(const Message& message, const FieldDescriptor* field);

std::string FormatMessage(const Message& message) {
  const MessageOption& structure = StructureOf(message.GetDescriptor());
  const Descriptor* type = message.GetDescriptor();
  if (structure.wrapper()) return FormatField(message, type->field(0));
  if (!structure.variant()) return absl::StrCat("[", FormatKeyValue(message), "]");
  std::vector<const FieldDescriptor*> set;
  message.GetReflection()->ListFields(message, &set);
  if (set.empty()) return "";
  if (IsPlainVariant(set[0])) return NameOf(set[0]);
  return absl::StrCat(NameOf(set[0]),
                      FormatMessage(message.GetReflection()->GetMessage(message, set[0])));
}

// `index` is -1 for a field that is not repeated.
std::string FormatOne(const Message& message, const FieldDescriptor* field, int index) {
  const Reflection* reflection = message.GetReflection();
  const bool one = index < 0;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return (one ? reflection->GetBool(message, field)
                  : reflection->GetRepeatedBool(message, field, index))
                 ? "true"
                 : "false";
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(one ? reflection->GetInt32(message, field)
                              : reflection->GetRepeatedInt32(message, field, index));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(one ? reflection->GetInt64(message, field)
                              : reflection->GetRepeatedInt64(message, field, index));
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(one ? reflection->GetUInt32(message, field)
                              : reflection->GetRepeatedUInt32(message, field, index));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(one ? reflection->GetUInt64(message, field)
                              : reflection->GetRepeatedUInt64(message, field, index));
    case FieldDescriptor::CPPTYPE_ENUM:
      return NameOf(one ? reflection->GetEnum(message, field)
                        : reflection->GetRepeatedEnum(message, field, index));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return FormatMessage(one ? reflection->GetMessage(message, field)
                               : reflection->GetRepeatedMessage(message, field, index));
    default:
      return absl::StrCat(
          "\"",
          absl::StrReplaceAll(one ? reflection->GetString(message, field)
                                  : reflection->GetRepeatedString(message, field, index),
                              {{"\\", "\\\\"}, {"\"", "\\\""}}),
          "\"");
  }
}

std::string FormatField(const Message& message, const FieldDescriptor* field) {
  if (!field->is_repeated()) return FormatOne(message, field, -1);
  std::vector<std::string> elements;
  for (int i = 0; i < message.GetReflection()->FieldSize(message, field); ++i) {
    elements.push_back(FormatOne(message, field, i));
  }
  return absl::StrCat("[", absl::StrJoin(elements, ","), "]");
}

}  // namespace

std::string FormatKeyValue(const Message& message) {
  const bool tuple = StructureOf(message.GetDescriptor()).tuple();
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  std::vector<std::string> parts;
  for (const FieldDescriptor* field : fields) {
    const std::string text = FormatField(message, field);
    parts.push_back(tuple ? text : absl::StrCat(NameOf(field), "=", text));
  }
  return absl::StrJoin(parts, ",");
}

}  // namespace touchstone
