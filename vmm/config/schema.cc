#include "vmm/config/schema.h"

#include <algorithm>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace touchstone {
namespace {

// Of a FieldOption or an EnumValueOption.
template <typename Option>
std::string Refusal(const Option& option) {
  if (option.has_planned()) {
    return absl::StrCat("not implemented yet", option.planned().empty() ? "" : "; ",
                        option.planned());
  }
  if (option.has_unavailable()) {
    return absl::StrCat("not on this platform: ", option.unavailable());
  }
  return "";
}

template <typename Option>
bool IsRefused(const Option& option) {
  return option.has_planned() || option.has_unavailable();
}

}  // namespace

FieldOption OptionOf(const FieldDescriptor* field) { return field->option(); }

EnumValueOption OptionOf(const EnumValueDescriptor* enum_value) { return enum_value->option(); }

MessageOption StructureOf(const Descriptor* message) { return message->option(); }

std::string NameOf(const FieldDescriptor* field) { return std::string(field->json_name()); }

std::string NameOf(const EnumValueDescriptor* enum_value) {
  const EnumValueOption info = OptionOf(enum_value);
  if (info.has_name()) return std::string(info.name());
  return absl::StrReplaceAll(absl::AsciiStrToLower(enum_value->name()), {{"_", "-"}});
}

std::string RefusalOf(const FieldDescriptor* field) { return Refusal(OptionOf(field)); }

std::string RefusalOf(const EnumValueDescriptor* enum_value) {
  return Refusal(OptionOf(enum_value));
}

const FieldDescriptor* FindField(const Descriptor* message, absl::string_view name) {
  for (int i = 0; i < message->field_count(); ++i) {
    if (message->field(i)->json_name() == name) return message->field(i);
  }
  for (int i = 0; i < message->field_count(); ++i) {
    for (const absl::string_view alias : OptionOf(message->field(i)).alias()) {
      if (alias == name) return message->field(i);
    }
  }
  return nullptr;
}

const EnumValueDescriptor* FindValue(const EnumDescriptor* type, absl::string_view name) {
  for (int i = 0; i < type->value_count(); ++i) {
    if (NameOf(type->value(i)) == name) return type->value(i);
  }
  for (int i = 0; i < type->value_count(); ++i) {
    for (const absl::string_view alias : OptionOf(type->value(i)).alias()) {
      if (alias == name) return type->value(i);
    }
  }
  return nullptr;
}

std::vector<std::string> FieldNames(const Descriptor* message) {
  std::vector<std::string> names;
  for (int i = 0; i < message->field_count(); ++i) {
    if (IsRefused(OptionOf(message->field(i)))) continue;
    names.push_back(NameOf(message->field(i)));
  }
  return names;
}

std::vector<std::string> ValueNames(const EnumDescriptor* type) {
  std::vector<std::string> names;
  for (int i = 0; i < type->value_count(); ++i) {
    if (IsRefused(OptionOf(type->value(i)))) continue;
    names.push_back(NameOf(type->value(i)));
  }
  return names;
}

bool IsSigned(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_INT32 ||
         field->cpp_type() == FieldDescriptor::CPPTYPE_INT64;
}

bool IsInteger(const FieldDescriptor* field) {
  return IsSigned(field) || field->cpp_type() == FieldDescriptor::CPPTYPE_UINT32 ||
         field->cpp_type() == FieldDescriptor::CPPTYPE_UINT64;
}

NumberLimits LimitsOf(const FieldDescriptor* field) {
  NumberLimits limits{0, std::numeric_limits<uint64_t>::max()};
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      limits = {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};
      break;
    case FieldDescriptor::CPPTYPE_INT64:
      limits = {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()};
      break;
    case FieldDescriptor::CPPTYPE_UINT32:
      limits.max = std::numeric_limits<uint32_t>::max();
      break;
    default:
      break;
  }
  const FieldOption info = OptionOf(field);
  if (info.has_min()) limits.min = std::max(limits.min, info.min());
  if (info.has_max()) limits.max = std::min(limits.max, info.max());
  return limits;
}

bool IsPlainStruct(const FieldDescriptor* field) {
  if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return false;
  const MessageOption structure = StructureOf(field->message_type());
  return !structure.variant() && !structure.tuple() && !structure.wrapper();
}

bool IsPlainVariant(const FieldDescriptor* variant) {
  return variant->message_type()->field_count() == 0;
}

std::string AcceptedText(const FieldDescriptor* field) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return absl::StrCat("one of ", absl::StrJoin(ValueNames(field->enum_type()), ", "));
    case FieldDescriptor::CPPTYPE_STRING:
      return "a text";
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (StructureOf(field->message_type()).variant()) {
        return absl::StrCat("one of ", absl::StrJoin(FieldNames(field->message_type()), ", "));
      }
      return absl::StrCat("[", absl::StrJoin(FieldNames(field->message_type()), ","), "]");
    default: {
      const NumberLimits limits = LimitsOf(field);
      const absl::string_view unit = OptionOf(field).unit();
      return absl::StrCat("a number ", unit.empty() ? "" : "of ", unit, unit.empty() ? "" : " ",
                          "from ", limits.min, " to ", limits.max);
    }
  }
}

std::string DefaultText(const FieldDescriptor* field) {
  const FieldOption info = OptionOf(field);
  if (info.has_default_text()) return std::string(info.default_text());
  if (!field->has_default_value()) return "";
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return field->default_value_bool() ? "true" : "false";
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(field->default_value_signed());
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(field->default_value_unsigned());
    case FieldDescriptor::CPPTYPE_ENUM:
      return NameOf(field->default_value_enum());
    case FieldDescriptor::CPPTYPE_STRING:
      return std::string(field->default_value_string());
    default:
      return "";
  }
}

std::string ValueNameOf(const FieldDescriptor* field) {
  const FieldOption info = OptionOf(field);
  if (info.has_value_name()) return std::string(info.value_name());
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true|false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return absl::StrJoin(ValueNames(field->enum_type()), "|");
    case FieldDescriptor::CPPTYPE_STRING:
      return "TEXT";
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      const Descriptor* type = field->message_type();
      const MessageOption structure = StructureOf(type);
      if (structure.variant()) return absl::StrJoin(FieldNames(type), "|");
      if (structure.wrapper()) return absl::StrCat("[", ValueNameOf(type->field(0)), ",...]");
      if (structure.tuple()) {
        std::string tuple;
        for (int i = 0; i < type->field_count(); ++i) {
          absl::StrAppend(&tuple, i == 0 ? "[" : ",", ValueNameOf(type->field(i)));
        }
        return tuple + "]";
      }
      // A struct of one key is shown whole; more keys stand on lines of their own.
      if (type->field_count() != 1) return "KEY=VALUE,...";
      return absl::StrCat(NameOf(type->field(0)), "=", ValueNameOf(type->field(0)));
    }
    default:
      return info.has_unit() ? std::string(info.unit()) : "N";
  }
}

}  // namespace touchstone
