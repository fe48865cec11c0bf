// The entries of a compiled schema, as compile_schema writes them. Read them through descriptor.h.

#ifndef TOUCHSTONE_DEVICES_MODULE_SCHEMA_TABLES_H_
#define TOUCHSTONE_DEVICES_MODULE_SCHEMA_TABLES_H_

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"

namespace touchstone {

class Descriptor;
class EnumDescriptor;
class EnumValueDescriptor;
class FieldDescriptor;

// A piece of SchemaFile::text: four bytes, and no address that the start of the program would have
// to relocate. Offset 0 is no text.
struct SchemaText {
  uint32_t offset : 20 = 0;
  uint32_t size : 12 = 0;

  [[nodiscard]] constexpr bool present() const { return offset != 0; }
};

// A part of one of the lists of SchemaFile.
struct SchemaSpan {
  uint16_t first = 0;
  uint16_t count = 0;
};

struct OlderEntry {
  SchemaText name;
  SchemaText short_flag;
  SchemaSpan sets;  // of SchemaFile::lists
  SchemaText instead;
};

// What the messages and enums of one .proto file share.
struct SchemaFile {
  const char* text;
  const SchemaText* lists;
  const OlderEntry* older;
};

struct EnumValueEntry {
  const EnumDescriptor* type;
  int32_t number;
  SchemaText name;
  SchemaText spelling;
  SchemaText help;
  SchemaText planned;
  SchemaText unavailable;
  SchemaSpan aliases;
};

struct EnumEntry {
  const SchemaFile* file;
  const EnumValueDescriptor* values;
  int32_t value_count;
  SchemaText full_name;
};

struct FieldEntry {
  const Descriptor* containing_type;
  const Descriptor* message_type = nullptr;
  const EnumDescriptor* enum_type = nullptr;
  // A bool, a number as two's complement, the number of an enum's value.
  uint64_t default_number = 0;
  int64_t min = 0;
  uint64_t max = 0;
  int32_t number;
  SchemaText name;
  SchemaText json_name;
  SchemaText default_string;
  SchemaText group;
  SchemaText short_flag;
  SchemaText value_name;
  SchemaText default_text;
  SchemaText unit;
  SchemaText works;
  SchemaText help;
  SchemaText planned;
  SchemaText unavailable;
  SchemaSpan aliases;  // of SchemaFile::lists
  SchemaSpan older;    // of SchemaFile::older
  uint8_t cpp_type;
  uint8_t grammar = 0;
  bool repeated = false;
  bool has_default = false;
  bool has_min = false;
  bool has_max = false;
  bool positional = false;
  bool required = false;
};

struct MessageEntry {
  const SchemaFile* file;
  const FieldDescriptor* fields;
  int32_t field_count;
  SchemaText full_name;
  bool tuple = false;
  bool variant = false;
  bool no_positional = false;
  bool wrapper = false;
};

inline absl::string_view TextOf(const SchemaFile& file, SchemaText text) {
  return {file.text + text.offset, text.size};
}

std::vector<absl::string_view> TextsOf(const SchemaFile& file, SchemaSpan span);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_MODULE_SCHEMA_TABLES_H_
