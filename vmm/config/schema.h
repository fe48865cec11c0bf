// Reading the field options of devices/module/options.proto: the only door from descriptors to
// names, limits and help.
//
// Thread-safe: descriptors are immutable.

#ifndef TOUCHSTONE_VMM_CONFIG_SCHEMA_H_
#define TOUCHSTONE_VMM_CONFIG_SCHEMA_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "devices/module/options.pb.h"
#include "google/protobuf/descriptor.h"

namespace touchstone {

const FieldOption& OptionOf(const google::protobuf::FieldDescriptor* field);
const EnumValueOption& OptionOf(const google::protobuf::EnumValueDescriptor* value);
const MessageOption& StructureOf(const google::protobuf::Descriptor* message);

// The name as a key, as a long option without its hyphens, and in JSON.
const std::string& NameOf(const google::protobuf::FieldDescriptor* field);
std::string NameOf(const google::protobuf::EnumValueDescriptor* value);

// Why giving it is refused: "not implemented yet", "not on this platform: Windows only"; empty when
// it is not.
std::string RefusalOf(const google::protobuf::FieldDescriptor* field);
std::string RefusalOf(const google::protobuf::EnumValueDescriptor* value);

// The field of that name or alias, or null.
const google::protobuf::FieldDescriptor* FindField(const google::protobuf::Descriptor* message,
                                                   absl::string_view name);
const google::protobuf::EnumValueDescriptor* FindValue(const google::protobuf::EnumDescriptor* type,
                                                       absl::string_view name);

// Names of all fields, in the order of the schema, without those that are refused.
std::vector<std::string> FieldNames(const google::protobuf::Descriptor* message);
// Names of all values without those that are refused.
std::vector<std::string> ValueNames(const google::protobuf::EnumDescriptor* type);

// The numbers that a field of an integer type accepts: the limits of its type and of its option.
struct NumberLimits {
  int64_t min;
  uint64_t max;
};
NumberLimits LimitsOf(const google::protobuf::FieldDescriptor* field);

bool IsInteger(const google::protobuf::FieldDescriptor* field);
bool IsSigned(const google::protobuf::FieldDescriptor* field);

// True for a message that is read as key=value,key=value: none of the special forms of
// MessageOption.
bool IsPlainStruct(const google::protobuf::FieldDescriptor* field);

// True for a variant (MessageOption.variant) without data.
bool IsPlainVariant(const google::protobuf::FieldDescriptor* variant);

// What is accepted for one value of the field: "a number from 1 to 4", "one of file, sink", "true
// or false", "a text".
std::string AcceptedText(const google::protobuf::FieldDescriptor* field);

// The default as help and documents show it; empty when there is none.
std::string DefaultText(const google::protobuf::FieldDescriptor* field);

// The value's placeholder in help and errors: "PATH", "MiB", "N", "size=MiB", "file|sink".
std::string ValueNameOf(const google::protobuf::FieldDescriptor* field);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_SCHEMA_H_
