// A message of the compiled schema (descriptor.h): what is set in it, by field. Its bytes are those
// of the class that protobuf's compiler makes of the same .proto file, so that the two become each
// other:
//
//   DynamicMessage tree(SchemaOf<RunConfig>());
//   tree.SetNumber(tree.GetDescriptor()->FindFieldByName("no_rtc"), 1);
//   RunConfig config = ToProto<RunConfig>(tree);
//
// Accessors REQUIRE a field of this message's type, and the value's type in their name: Number is
// for bools, integers and enums (two's complement), Text for strings. An `index` is that of an
// element of a repeated field, below FieldSize.
//
// Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_MODULE_DYNAMIC_MESSAGE_H_
#define TOUCHSTONE_DEVICES_MODULE_DYNAMIC_MESSAGE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/log.h"
#include "devices/module/descriptor.h"

namespace touchstone {

class DynamicMessage {
 public:
  explicit DynamicMessage(const Descriptor* type) : type_(type) {}

  [[nodiscard]] const Descriptor* GetDescriptor() const { return type_; }

  // The fields that are set, a repeated one when it has elements, in the order of their numbers.
  [[nodiscard]] std::vector<const FieldDescriptor*> ListFields() const;
  [[nodiscard]] bool HasField(const FieldDescriptor* field) const { return FieldSize(field) > 0; }
  // 0 or 1 when the field is not repeated.
  [[nodiscard]] int FieldSize(const FieldDescriptor* field) const;

  // An unset field reads as its default.
  [[nodiscard]] uint64_t GetNumber(const FieldDescriptor* field, int index = 0) const;
  [[nodiscard]] bool GetBool(const FieldDescriptor* field, int index = 0) const {
    return GetNumber(field, index) != 0;
  }
  [[nodiscard]] int64_t GetSigned(const FieldDescriptor* field, int index = 0) const {
    return static_cast<int64_t>(GetNumber(field, index));
  }
  [[nodiscard]] const EnumValueDescriptor* GetEnum(const FieldDescriptor* field,
                                                   int index = 0) const;
  [[nodiscard]] std::string GetText(const FieldDescriptor* field, int index = 0) const;
  // REQUIRES: it is set.
  [[nodiscard]] const DynamicMessage& GetMessage(const FieldDescriptor* field, int index = 0) const;
  [[nodiscard]] DynamicMessage& MutableMessage(const FieldDescriptor* field, int index = 0);

  // Sets the field, or adds an element to a repeated one.
  void PutNumber(const FieldDescriptor* field, uint64_t number);
  void PutText(const FieldDescriptor* field, absl::string_view text);
  // The new element, or what the field has already when it is not repeated. Valid until the field
  // changes.
  DynamicMessage& PutMessage(const FieldDescriptor* field);

  void ClearField(const FieldDescriptor* field);
  // As protobuf merges: elements are appended, messages merged, all else replaced.
  void MergeFrom(const DynamicMessage& other);

  // In protobuf's encoding (https://protobuf.dev/programming-guides/encoding).
  [[nodiscard]] std::string Serialize() const;
  // Adds what `bytes` have. False when they are no message of this type, or have a field or an
  // enum's value that the schema has not.
  [[nodiscard]] bool Parse(absl::string_view bytes);

 private:
  // One of the vectors is in use, as the field's type says.
  struct Slot {
    const FieldDescriptor* field;
    std::vector<uint64_t> numbers;
    std::vector<std::string> texts;
    std::vector<DynamicMessage> messages;
  };

  [[nodiscard]] const Slot* Find(const FieldDescriptor* field) const;
  Slot& FindOrAdd(const FieldDescriptor* field);
  void AppendTo(std::string& out) const;
  bool ParseNumber(const FieldDescriptor* field, absl::string_view& bytes);
  bool ParseField(const FieldDescriptor* field, uint32_t wire_type, absl::string_view& bytes);

  const Descriptor* type_;
  std::vector<Slot> slots_;  // by number
};

// What `message` has; its class is one of a schema_library().
template <typename Proto>
DynamicMessage ToTree(const Proto& message) {
  DynamicMessage tree(SchemaOf<Proto>());
  CHECK(tree.Parse(message.SerializeAsString()));
  return tree;
}

// REQUIRES: Proto is the tree's type.
template <typename Proto>
Proto ToProto(const DynamicMessage& tree) {
  CHECK(tree.GetDescriptor() == SchemaOf<Proto>());
  Proto message;
  CHECK(message.ParseFromString(tree.Serialize()));
  return message;
}

// Lets `read`, a function of a DynamicMessage&, change `message`; returns what it returns.
template <typename Proto, typename Function>
auto EditAsTree(Proto& message, Function read) {
  DynamicMessage tree = ToTree(message);
  auto result = read(tree);
  message = ToProto<Proto>(tree);
  return result;
}

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_MODULE_DYNAMIC_MESSAGE_H_
