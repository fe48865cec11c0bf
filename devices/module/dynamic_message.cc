#include "devices/module/dynamic_message.h"

#include <algorithm>
#include <optional>

namespace touchstone {
namespace {

enum WireType : uint32_t { kVarint = 0, kLengthDelimited = 2 };

bool IsNumber(const FieldDescriptor* field) {
  return field->cpp_type() != FieldDescriptor::CPPTYPE_STRING &&
         field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE;
}

void AppendVarint(uint64_t number, std::string& out) {
  for (; number >= 0x80; number >>= 7) out.push_back(static_cast<char>(number | 0x80));
  out.push_back(static_cast<char>(number));
}

void AppendTag(const FieldDescriptor* field, WireType wire_type, std::string& out) {
  AppendVarint(static_cast<uint64_t>(field->number()) << 3 | wire_type, out);
}

void AppendBytes(const FieldDescriptor* field, absl::string_view bytes, std::string& out) {
  AppendTag(field, kLengthDelimited, out);
  AppendVarint(bytes.size(), out);
  out.append(bytes.data(), bytes.size());
}

std::optional<uint64_t> TakeVarint(absl::string_view& bytes) {
  uint64_t number = 0;
  for (size_t i = 0; i < bytes.size() && i < 10; ++i) {
    const uint64_t byte = static_cast<unsigned char>(bytes[i]);
    number |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      bytes.remove_prefix(i + 1);
      return number;
    }
  }
  return std::nullopt;
}

std::optional<absl::string_view> TakeBytes(absl::string_view& bytes) {
  const std::optional<uint64_t> size = TakeVarint(bytes);
  if (!size.has_value() || *size > bytes.size()) return std::nullopt;
  const absl::string_view taken = bytes.substr(0, *size);
  bytes.remove_prefix(*size);
  return taken;
}

}  // namespace

const DynamicMessage::Slot* DynamicMessage::Find(const FieldDescriptor* field) const {
  for (const Slot& slot : slots_) {
    if (slot.field == field) return &slot;
  }
  return nullptr;
}

DynamicMessage::Slot& DynamicMessage::FindOrAdd(const FieldDescriptor* field) {
  CHECK(field->containing_type() == type_);
  const auto place = std::find_if(slots_.begin(), slots_.end(), [field](const Slot& slot) {
    return slot.field->number() >= field->number();
  });
  if (place != slots_.end() && place->field == field) return *place;
  return *slots_.insert(place, Slot{field, {}, {}, {}});
}

std::vector<const FieldDescriptor*> DynamicMessage::ListFields() const {
  std::vector<const FieldDescriptor*> fields;
  for (const Slot& slot : slots_) fields.push_back(slot.field);
  return fields;
}

int DynamicMessage::FieldSize(const FieldDescriptor* field) const {
  const Slot* slot = Find(field);
  if (slot == nullptr) return 0;
  return static_cast<int>(slot->numbers.size() + slot->texts.size() + slot->messages.size());
}

uint64_t DynamicMessage::GetNumber(const FieldDescriptor* field, int index) const {
  const Slot* slot = Find(field);
  if (slot == nullptr) return field->default_value_unsigned();
  return slot->numbers.at(static_cast<size_t>(index));
}

const EnumValueDescriptor* DynamicMessage::GetEnum(const FieldDescriptor* field, int index) const {
  return field->enum_type()->FindValueByNumber(static_cast<int>(GetNumber(field, index)));
}

std::string DynamicMessage::GetText(const FieldDescriptor* field, int index) const {
  const Slot* slot = Find(field);
  if (slot == nullptr) return std::string(field->default_value_string());
  return slot->texts.at(static_cast<size_t>(index));
}

const DynamicMessage& DynamicMessage::GetMessage(const FieldDescriptor* field, int index) const {
  const Slot* slot = Find(field);
  CHECK(slot != nullptr);
  return slot->messages.at(static_cast<size_t>(index));
}

DynamicMessage& DynamicMessage::MutableMessage(const FieldDescriptor* field, int index) {
  return FindOrAdd(field).messages.at(static_cast<size_t>(index));
}

void DynamicMessage::PutNumber(const FieldDescriptor* field, uint64_t number) {
  Slot& slot = FindOrAdd(field);
  if (!field->is_repeated()) slot.numbers.clear();
  slot.numbers.push_back(number);
}

void DynamicMessage::PutText(const FieldDescriptor* field, absl::string_view text) {
  Slot& slot = FindOrAdd(field);
  if (!field->is_repeated()) slot.texts.clear();
  slot.texts.emplace_back(text);
}

DynamicMessage& DynamicMessage::PutMessage(const FieldDescriptor* field) {
  Slot& slot = FindOrAdd(field);
  if (field->is_repeated() || slot.messages.empty())
    slot.messages.emplace_back(field->message_type());
  return slot.messages.back();
}

void DynamicMessage::ClearField(const FieldDescriptor* field) {
  slots_.erase(std::remove_if(slots_.begin(), slots_.end(),
                              [field](const Slot& slot) { return slot.field == field; }),
               slots_.end());
}

void DynamicMessage::MergeFrom(const DynamicMessage& other) {
  CHECK(other.type_ == type_);
  for (const Slot& slot : other.slots_) {
    for (const uint64_t number : slot.numbers) PutNumber(slot.field, number);
    for (const std::string& text : slot.texts) PutText(slot.field, text);
    for (const DynamicMessage& message : slot.messages) PutMessage(slot.field).MergeFrom(message);
  }
}

std::string DynamicMessage::Serialize() const {
  std::string out;
  AppendTo(out);
  return out;
}

void DynamicMessage::AppendTo(std::string& out) const {
  for (const Slot& slot : slots_) {
    for (const uint64_t number : slot.numbers) {
      AppendTag(slot.field, kVarint, out);
      AppendVarint(number, out);
    }
    for (const std::string& text : slot.texts) AppendBytes(slot.field, text, out);
    for (const DynamicMessage& message : slot.messages) {
      AppendBytes(slot.field, message.Serialize(), out);
    }
  }
}

bool DynamicMessage::Parse(absl::string_view bytes) {
  while (!bytes.empty()) {
    const std::optional<uint64_t> tag = TakeVarint(bytes);
    if (!tag.has_value()) return false;
    const FieldDescriptor* field = type_->FindFieldByNumber(static_cast<int>(*tag >> 3));
    if (field == nullptr || !ParseField(field, *tag & 7, bytes)) return false;
  }
  return true;
}

bool DynamicMessage::ParseField(const FieldDescriptor* field, uint32_t wire_type,
                                absl::string_view& bytes) {
  if (IsNumber(field) && wire_type == kVarint) return ParseNumber(field, bytes);
  std::optional<absl::string_view> content;
  if (wire_type == kLengthDelimited) content = TakeBytes(bytes);
  if (!content.has_value()) return false;
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE)
    return PutMessage(field).Parse(*content);
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    PutText(field, *content);
    return true;
  }
  // Elements of a repeated number, packed.
  while (!content->empty()) {
    if (!ParseNumber(field, *content)) return false;
  }
  return true;
}

bool DynamicMessage::ParseNumber(const FieldDescriptor* field, absl::string_view& bytes) {
  const std::optional<uint64_t> number = TakeVarint(bytes);
  if (!number.has_value()) return false;
  if (field->enum_type() != nullptr &&
      field->enum_type()->FindValueByNumber(static_cast<int>(*number)) == nullptr) {
    return false;
  }
  PutNumber(field, *number);
  return true;
}

}  // namespace touchstone
