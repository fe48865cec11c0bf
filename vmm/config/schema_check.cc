#include "vmm/config/schema_check.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "vmm/config/schema.h"

namespace touchstone {
namespace {

class Checker {
 public:
  explicit Checker(std::vector<std::string>& errors) : errors_(errors) {}

  // `path` names the message: "" for the whole, "--serial: " for an option, "--serial: output." for
  // a struct in it.
  void CheckMessage(const DynamicMessage& message, const std::string& path) {
    const Descriptor* type = message.GetDescriptor();
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* field = type->field(i);
      if (!message.HasField(field)) {
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
      for (int index = 0; index < message.FieldSize(field); ++index) {
        CheckElement(message, field, index, name);
      }
    }
  }

 private:
  static std::string FieldPath(const FieldDescriptor* field, const std::string& path) {
    if (OptionOf(field).positional()) return ValueNameOf(field);
    return path.empty() ? absl::StrCat("--", NameOf(field)) : absl::StrCat(path, NameOf(field));
  }

  void CheckElement(const DynamicMessage& message, const FieldDescriptor* field, int index,
                    const std::string& name) {
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return CheckMessage(message.GetMessage(field, index),
                            absl::StrCat(name, name.find(':') == std::string::npos ? ": " : "."));
      case FieldDescriptor::CPPTYPE_ENUM:
        return CheckEnum(message.GetEnum(field, index), name);
      case FieldDescriptor::CPPTYPE_INT32:
      case FieldDescriptor::CPPTYPE_INT64:
        return CheckSigned(field, name, message.GetSigned(field, index));
      case FieldDescriptor::CPPTYPE_UINT32:
      case FieldDescriptor::CPPTYPE_UINT64:
        return CheckUnsigned(field, name, message.GetNumber(field, index));
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

void CheckSchema(const DynamicMessage& config, std::vector<std::string>& errors) {
  Checker(errors).CheckMessage(config, "");
}

}  // namespace touchstone
