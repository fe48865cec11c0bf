// The configuration schema at run time: messages, fields and enums with their options
// (options.proto), as constant tables that the build makes of .proto files (schema.bzl).
//
//   const Descriptor* type = SchemaOf<RunConfig>();
//   for (int i = 0; i < type->field_count(); ++i) Print(type->field(i)->json_name());
//
// The methods are called as those of protobuf's descriptors, which would be read, linked and built
// at each start of the program. Nothing here is made at run time: texts stand in one string a file,
// entries say where in it, and an absent text is empty. All types are views of constants:
// thread-safe, and pointers and texts stay valid.

#ifndef TOUCHSTONE_DEVICES_MODULE_DESCRIPTOR_H_
#define TOUCHSTONE_DEVICES_MODULE_DESCRIPTOR_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "devices/module/schema_tables.h"

namespace touchstone {

// FieldOptionProto.Grammar.
enum Grammar : uint8_t {
  GRAMMAR_UNSPECIFIED,
  GRAMMAR_BOOL_VALUE,
  GRAMMAR_RANGES,
  GRAMMAR_COLONS,
  GRAMMAR_KEYS_OR_COLONS,
};

// OlderOptionProto.
class OlderOption {
 public:
  OlderOption(const SchemaFile& file, const OlderEntry& entry) : file_(&file), entry_(&entry) {}

  [[nodiscard]] absl::string_view name() const { return TextOf(*file_, entry_->name); }
  [[nodiscard]] bool has_short_flag() const { return entry_->short_flag.present(); }
  [[nodiscard]] absl::string_view short_flag() const { return TextOf(*file_, entry_->short_flag); }
  [[nodiscard]] std::vector<absl::string_view> sets() const {
    return TextsOf(*file_, entry_->sets);
  }
  [[nodiscard]] absl::string_view instead() const { return TextOf(*file_, entry_->instead); }

 private:
  const SchemaFile* file_;
  const OlderEntry* entry_;
};

// FieldOptionProto.
class FieldOption {
 public:
  FieldOption(const SchemaFile& file, const FieldEntry& entry) : file_(file), entry_(entry) {}

  [[nodiscard]] absl::string_view help() const { return TextOf(file_, entry_.help); }
  [[nodiscard]] absl::string_view group() const { return TextOf(file_, entry_.group); }
  [[nodiscard]] bool has_short_flag() const { return entry_.short_flag.present(); }
  [[nodiscard]] absl::string_view short_flag() const { return TextOf(file_, entry_.short_flag); }
  [[nodiscard]] std::vector<absl::string_view> alias() const {
    return TextsOf(file_, entry_.aliases);
  }
  [[nodiscard]] bool has_value_name() const { return entry_.value_name.present(); }
  [[nodiscard]] absl::string_view value_name() const { return TextOf(file_, entry_.value_name); }
  [[nodiscard]] bool has_default_text() const { return entry_.default_text.present(); }
  [[nodiscard]] absl::string_view default_text() const {
    return TextOf(file_, entry_.default_text);
  }
  [[nodiscard]] bool has_unit() const { return entry_.unit.present(); }
  [[nodiscard]] absl::string_view unit() const { return TextOf(file_, entry_.unit); }
  [[nodiscard]] bool positional() const { return entry_.positional; }
  [[nodiscard]] bool required() const { return entry_.required; }
  [[nodiscard]] bool has_min() const { return entry_.has_min; }
  [[nodiscard]] int64_t min() const { return entry_.min; }
  [[nodiscard]] bool has_max() const { return entry_.has_max; }
  [[nodiscard]] uint64_t max() const { return entry_.max; }
  [[nodiscard]] Grammar grammar() const { return static_cast<Grammar>(entry_.grammar); }
  [[nodiscard]] bool has_works() const { return entry_.works.present(); }
  [[nodiscard]] absl::string_view works() const { return TextOf(file_, entry_.works); }
  [[nodiscard]] bool has_planned() const { return entry_.planned.present(); }
  [[nodiscard]] absl::string_view planned() const { return TextOf(file_, entry_.planned); }
  [[nodiscard]] bool has_unavailable() const { return entry_.unavailable.present(); }
  [[nodiscard]] absl::string_view unavailable() const { return TextOf(file_, entry_.unavailable); }
  [[nodiscard]] std::vector<OlderOption> older() const;

 private:
  const SchemaFile& file_;
  const FieldEntry& entry_;
};

// EnumValueOptionProto.
class EnumValueOption {
 public:
  EnumValueOption(const SchemaFile& file, const EnumValueEntry& entry)
      : file_(file), entry_(entry) {}

  [[nodiscard]] bool has_name() const { return entry_.spelling.present(); }
  [[nodiscard]] absl::string_view name() const { return TextOf(file_, entry_.spelling); }
  [[nodiscard]] bool has_help() const { return entry_.help.present(); }
  [[nodiscard]] absl::string_view help() const { return TextOf(file_, entry_.help); }
  [[nodiscard]] bool has_planned() const { return entry_.planned.present(); }
  [[nodiscard]] absl::string_view planned() const { return TextOf(file_, entry_.planned); }
  [[nodiscard]] bool has_unavailable() const { return entry_.unavailable.present(); }
  [[nodiscard]] absl::string_view unavailable() const { return TextOf(file_, entry_.unavailable); }
  [[nodiscard]] std::vector<absl::string_view> alias() const {
    return TextsOf(file_, entry_.aliases);
  }

 private:
  const SchemaFile& file_;
  const EnumValueEntry& entry_;
};

// MessageOptionProto.
class MessageOption {
 public:
  explicit MessageOption(const MessageEntry& entry) : entry_(entry) {}

  [[nodiscard]] bool tuple() const { return entry_.tuple; }
  [[nodiscard]] bool variant() const { return entry_.variant; }
  [[nodiscard]] bool no_positional() const { return entry_.no_positional; }
  [[nodiscard]] bool wrapper() const { return entry_.wrapper; }

 private:
  const MessageEntry& entry_;
};

class EnumValueDescriptor {
 public:
  constexpr explicit EnumValueDescriptor(const EnumValueEntry& entry) : entry_(entry) {}

  // As the .proto file has it.
  [[nodiscard]] absl::string_view name() const;
  [[nodiscard]] int number() const { return entry_.number; }
  [[nodiscard]] const EnumDescriptor* type() const { return entry_.type; }
  [[nodiscard]] EnumValueOption option() const;

 private:
  EnumValueEntry entry_;
};

class EnumDescriptor {
 public:
  constexpr explicit EnumDescriptor(const EnumEntry& entry) : entry_(entry) {}

  [[nodiscard]] absl::string_view full_name() const {
    return TextOf(*entry_.file, entry_.full_name);
  }
  [[nodiscard]] int value_count() const { return entry_.value_count; }
  [[nodiscard]] const EnumValueDescriptor* value(int index) const { return &entry_.values[index]; }
  // Null when there is none.
  [[nodiscard]] const EnumValueDescriptor* FindValueByNumber(int number) const;
  [[nodiscard]] const EnumValueDescriptor* FindValueByName(absl::string_view name) const;
  [[nodiscard]] const SchemaFile& file() const { return *entry_.file; }

 private:
  EnumEntry entry_;
};

class FieldDescriptor {
 public:
  enum CppType : uint8_t {
    CPPTYPE_BOOL,
    CPPTYPE_INT32,
    CPPTYPE_INT64,
    CPPTYPE_UINT32,
    CPPTYPE_UINT64,
    CPPTYPE_ENUM,
    CPPTYPE_STRING,
    CPPTYPE_MESSAGE,
  };

  constexpr explicit FieldDescriptor(const FieldEntry& entry) : entry_(entry) {}

  // As the .proto file has it.
  [[nodiscard]] absl::string_view name() const;
  [[nodiscard]] absl::string_view json_name() const;
  [[nodiscard]] std::string full_name() const;
  [[nodiscard]] int number() const { return entry_.number; }
  // Of its message's fields.
  [[nodiscard]] int index() const;
  [[nodiscard]] CppType cpp_type() const { return static_cast<CppType>(entry_.cpp_type); }
  [[nodiscard]] bool is_repeated() const { return entry_.repeated; }
  [[nodiscard]] const Descriptor* containing_type() const { return entry_.containing_type; }
  // Null for all other types.
  [[nodiscard]] const Descriptor* message_type() const { return entry_.message_type; }
  [[nodiscard]] const EnumDescriptor* enum_type() const { return entry_.enum_type; }

  [[nodiscard]] bool has_default_value() const { return entry_.has_default; }
  // What an unset field is: false, 0, the first value when there is no default.
  [[nodiscard]] bool default_value_bool() const { return entry_.default_number != 0; }
  [[nodiscard]] int64_t default_value_signed() const {
    return static_cast<int64_t>(entry_.default_number);
  }
  [[nodiscard]] uint64_t default_value_unsigned() const { return entry_.default_number; }
  [[nodiscard]] const EnumValueDescriptor* default_value_enum() const;
  [[nodiscard]] absl::string_view default_value_string() const;

  [[nodiscard]] FieldOption option() const;

 private:
  [[nodiscard]] const SchemaFile& file() const;

  FieldEntry entry_;
};

class Descriptor {
 public:
  constexpr explicit Descriptor(const MessageEntry& entry) : entry_(entry) {}

  [[nodiscard]] absl::string_view full_name() const {
    return TextOf(*entry_.file, entry_.full_name);
  }
  [[nodiscard]] int field_count() const { return entry_.field_count; }
  // In the order of the .proto file.
  [[nodiscard]] const FieldDescriptor* field(int index) const { return &entry_.fields[index]; }
  // Null when there is none.
  [[nodiscard]] const FieldDescriptor* FindFieldByNumber(int number) const;
  [[nodiscard]] const FieldDescriptor* FindFieldByName(absl::string_view name) const;
  [[nodiscard]] const SchemaFile& file() const { return *entry_.file; }

  [[nodiscard]] MessageOption option() const { return MessageOption(entry_); }

 private:
  MessageEntry entry_;
};

// The schema of a message or enum that protobuf's compiler has made a class of. The headers that
// schema_library() makes define it for those of their files.
template <typename Message>
const Descriptor* SchemaOf() = delete;
template <typename Enum>
const EnumDescriptor* EnumSchemaOf() = delete;

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_MODULE_DESCRIPTOR_H_
