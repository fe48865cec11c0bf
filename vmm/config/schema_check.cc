#include "vmm/config/schema_check.h"

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "vmm/config/schema.h"

namespace touchstone {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

class Checker {
 public:
  explicit Checker(std::vector<std::string>& errors) : errors_(errors) {}

  // `path` names the message: "" for the whole, "--serial: " for an option, "--serial: output." for
  // a struct in it.
  void CheckMessage(const Message& message, const std::string& path) {
    const Descriptor* type = message.GetDescriptor();
    const Reflection* reflection = message.GetReflection();
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* field = type->field(i);
      const int count = field->is_repeated() ? reflection->FieldSize(message, field)
                                             : (reflection->HasField(message, field) ? 1 : 0);
      const std::string name = FieldPath(field, path);
      if (count == 0 && OptionOf(field).required())
        errors_.push_back(absl::StrCat(name, " is missing"));
      if (count > 0) {
        const std::string refusal = RefusalOf(field);
        if (!refusal.empty()) {
          // What stands in it does not matter any more.
          errors_.push_back(absl::StrCat(name, ": ", refusal));
          continue;
        }
      }
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
