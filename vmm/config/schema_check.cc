#include "vmm/config/schema_check.h"

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "vmm/config/schema.h"

namespace touchstone {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// The numbers of the fields that are set. Reflection says it too, but builds the descriptors of
// every message that a repeated field could hold, which is most of what starting up takes.
std::set<int> SetFields(const Message& message) {
  std::string bytes;
  message.SerializePartialToString(&bytes);
  CodedInputStream stream(reinterpret_cast<const uint8_t*>(bytes.data()),
                          static_cast<int>(bytes.size()));
  std::set<int> numbers;
  while (const uint32_t tag = stream.ReadTag()) {
    numbers.insert(WireFormatLite::GetTagFieldNumber(tag));
    if (!WireFormatLite::SkipField(&stream, tag)) break;
  }
  return numbers;
}

class Checker {
 public:
  explicit Checker(std::vector<std::string>& errors) : errors_(errors) {}

  // `path` names the message: "" for the whole, "--serial: " for an option, "--serial: output." for
  // a struct in it.
  void CheckMessage(const Message& message, const std::string& path) {
    const Descriptor* type = message.GetDescriptor();
    const std::set<int> present = SetFields(message);
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* field = type->field(i);
      if (present.count(field->number()) == 0) {
        if (OptionOf(field).required()) {
          errors_.push_back(absl::StrCat(FieldPath(field, path), " is missing"));
        }
        continue;
      }
      const std::string name = FieldPath(field, path);
      const std::string refusal = RefusalOf(field);
      if (!refusal.empty()) {
        // What stands in it does not matter any more.
        errors_.push_back(absl::StrCat(name, ": ", refusal));
        continue;
      }
      const int count =
          field->is_repeated() ? message.GetReflection()->FieldSize(message, field) : 1;
      for (int index = 0; index < count; ++index) CheckElement(message, field, index, name);
    }
  }

 private:
  static std::string FieldPath(const FieldDescriptor* field, const std::string& path) {
    if (OptionOf(field).positional()) return ValueNameOf(field);
    return path.empty() ? absl::StrCat("--", NameOf(field)) : absl::StrCat(path, NameOf(field));
  }

  void CheckElement(const Message& message, const FieldDescriptor* field, int index,
                    const std::string& name) {
    const Reflection* reflection = message.GetReflection();
    const bool repeated = field->is_repeated();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return CheckMessage(repeated ? reflection->GetRepeatedMessage(message, field, index)
                                     : reflection->GetMessage(message, field),
                            absl::StrCat(name, name.find(':') == std::string::npos ? ": " : "."));
      case FieldDescriptor::CPPTYPE_ENUM:
        return CheckEnum(repeated ? reflection->GetRepeatedEnum(message, field, index)
                                  : reflection->GetEnum(message, field),
                         name);
      case FieldDescriptor::CPPTYPE_INT32:
        return CheckSigned(field, name,
                           repeated ? reflection->GetRepeatedInt32(message, field, index)
                                    : reflection->GetInt32(message, field));
      case FieldDescriptor::CPPTYPE_INT64:
        return CheckSigned(field, name,
                           repeated ? reflection->GetRepeatedInt64(message, field, index)
                                    : reflection->GetInt64(message, field));
      case FieldDescriptor::CPPTYPE_UINT32:
        return CheckUnsigned(field, name,
                             repeated ? reflection->GetRepeatedUInt32(message, field, index)
                                      : reflection->GetUInt32(message, field));
      case FieldDescriptor::CPPTYPE_UINT64:
        return CheckUnsigned(field, name,
                             repeated ? reflection->GetRepeatedUInt64(message, field, index)
                                      : reflection->GetUInt64(message, field));
      default:
        return;
    }
  }

  void CheckEnum(const EnumValueDescriptor* value, const std::string& name) {
    const std::string refusal = RefusalOf(value);
    if (refusal.empty()) return;
    errors_.push_back(absl::StrCat(name, "=", NameOf(value), ": ", refusal));
  }

  void CheckSigned(const FieldDescriptor* field, const std::string& name, int64_t number) {
    const NumberLimits limits = LimitsOf(field);
    if (number < limits.min || number > static_cast<int64_t>(limits.max)) {
      errors_.push_back(absl::StrCat(name, "=", number, " is not ", AcceptedText(field)));
    }
  }

  void CheckUnsigned(const FieldDescriptor* field, const std::string& name, uint64_t number) {
    const NumberLimits limits = LimitsOf(field);
    if (number < static_cast<uint64_t>(limits.min) || number > limits.max) {
      errors_.push_back(absl::StrCat(name, "=", number, " is not ", AcceptedText(field)));
    }
  }

  std::vector<std::string>& errors_;
};

}  // namespace

void CheckSchema(const Message& config, std::vector<std::string>& errors) {
  Checker(errors).CheckMessage(config, "");
}

}  // namespace touchstone
