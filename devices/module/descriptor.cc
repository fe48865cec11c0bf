#include "devices/module/descriptor.h"

#include "absl/strings/str_cat.h"

namespace touchstone {

std::vector<absl::string_view> TextsOf(const SchemaFile& file, SchemaSpan span) {
  std::vector<absl::string_view> texts;
  for (int i = 0; i < span.count; ++i) texts.push_back(TextOf(file, file.lists[span.first + i]));
  return texts;
}

std::vector<OlderOption> FieldOption::older() const {
  std::vector<OlderOption> options;
  for (int i = 0; i < entry_.older.count; ++i) {
    options.emplace_back(file_, file_.older[entry_.older.first + i]);
  }
  return options;
}

absl::string_view EnumValueDescriptor::name() const {
  return TextOf(entry_.type->file(), entry_.name);
}

EnumValueOption EnumValueDescriptor::option() const { return {entry_.type->file(), entry_}; }

const EnumValueDescriptor* EnumDescriptor::FindValueByNumber(int number) const {
  for (int i = 0; i < value_count(); ++i) {
    if (value(i)->number() == number) return value(i);
  }
  return nullptr;
}

const EnumValueDescriptor* EnumDescriptor::FindValueByName(absl::string_view name) const {
  for (int i = 0; i < value_count(); ++i) {
    if (value(i)->name() == name) return value(i);
  }
  return nullptr;
}

const SchemaFile& FieldDescriptor::file() const { return entry_.containing_type->file(); }

absl::string_view FieldDescriptor::name() const { return TextOf(file(), entry_.name); }

absl::string_view FieldDescriptor::json_name() const { return TextOf(file(), entry_.json_name); }

std::string FieldDescriptor::full_name() const {
  return absl::StrCat(entry_.containing_type->full_name(), ".", name());
}

int FieldDescriptor::index() const {
  return static_cast<int>(this - entry_.containing_type->field(0));
}

const EnumValueDescriptor* FieldDescriptor::default_value_enum() const {
  return entry_.enum_type->FindValueByNumber(static_cast<int>(entry_.default_number));
}

absl::string_view FieldDescriptor::default_value_string() const {
  return TextOf(file(), entry_.default_string);
}

FieldOption FieldDescriptor::option() const { return {file(), entry_}; }

const FieldDescriptor* Descriptor::FindFieldByNumber(int number) const {
  for (int i = 0; i < field_count(); ++i) {
    if (field(i)->number() == number) return field(i);
  }
  return nullptr;
}

const FieldDescriptor* Descriptor::FindFieldByName(absl::string_view name) const {
  for (int i = 0; i < field_count(); ++i) {
    if (field(i)->name() == name) return field(i);
  }
  return nullptr;
}

}  // namespace touchstone
