// What the schema (devices/module/descriptor.h) says of names, limits and help: the only door from
// descriptors to them.
//
// Thread-safe: descriptors are constants.

#ifndef TOUCHSTONE_VMM_CONFIG_SCHEMA_H_
#define TOUCHSTONE_VMM_CONFIG_SCHEMA_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "devices/module/descriptor.h"

namespace touchstone {

FieldOption OptionOf(const FieldDescriptor* field);
EnumValueOption OptionOf(const EnumValueDescriptor* value);
MessageOption StructureOf(const Descriptor* message);

// The name as a key, as a long option without its hyphens, and in JSON.
std::string NameOf(const FieldDescriptor* field);
std::string NameOf(const EnumValueDescriptor* value);

// Why giving it is refused: "not implemented yet", "not on this platform: Windows only"; empty when
// it is not.
std::string RefusalOf(const FieldDescriptor* field);
std::string RefusalOf(const EnumValueDescriptor* value);

// The field of that name or alias, or null.
const FieldDescriptor* FindField(const Descriptor* message, absl::string_view name);
const EnumValueDescriptor* FindValue(const EnumDescriptor* type, absl::string_view name);

// Names of all fields, in the order of the schema, without those that are refused.
std::vector<std::string> FieldNames(const Descriptor* message);
// Names of all values without those that are refused.
std::vector<std::string> ValueNames(const EnumDescriptor* type);

// The numbers that a field of an integer type accepts: the limits of its type and of its option.
struct NumberLimits {
  int64_t min;
  uint64_t max;
};
NumberLimits LimitsOf(const FieldDescriptor* field);

bool IsInteger(const FieldDescriptor* field);
bool IsSigned(const FieldDescriptor* field);

// True for a message that is read as key=value,key=value: none of the special forms of
// MessageOption.
bool IsPlainStruct(const FieldDescriptor* field);

// True for a variant (MessageOption.variant) without data.
bool IsPlainVariant(const FieldDescriptor* variant);

// What is accepted for one value of the field: "a number from 1 to 4", "one of file, sink", "true
// or false", "a text".
std::string AcceptedText(const FieldDescriptor* field);

// The default as help and documents show it; empty when there is none.
std::string DefaultText(const FieldDescriptor* field);

// The value's placeholder in help and errors: "PATH", "MiB", "N", "size=MiB", "file|sink".
std::string ValueNameOf(const FieldDescriptor* field);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_SCHEMA_H_
