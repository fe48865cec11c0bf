#include "devices/module/text_proto.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/status.h"

namespace touchstone {
namespace {

// Names of messages in errors go without it.
constexpr absl::string_view kPackage = "touchstone.";
constexpr size_t kMaxShown = 100;

bool IsLetter(char c) { return absl::ascii_isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }

// For messages: printable and of bounded length.
std::string Shown(absl::string_view text) {
  std::string shown(text.substr(0, kMaxShown));
  std::replace_if(
      shown.begin(), shown.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return shown;
}

template <typename... Part>
absl::Status Wrong(const Part&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

// Errors are those of protobuf's own reader.
class Reader {
 public:
  explicit Reader(absl::string_view text) : text_(text) { Next(); }

  absl::Status ReadAll(DynamicMessage& message) {
    absl::Status status;
    while (status.ok() && !token_.empty()) status = ReadField(message);
    if (status.ok()) return status;
    const auto line =
        std::count(text_.begin(), text_.begin() + static_cast<ptrdiff_t>(start_), '\n');
    return absl::InvalidArgumentError(absl::StrCat("line ", line + 1, ": ", status.message()));
  }

 private:
  // Makes token_ the next word, number, string with its quotes, or other character; empty at the
  // end.
  void Next() {
    while (end_ < text_.size() &&
           (text_[end_] == '#' || absl::ascii_isspace(static_cast<unsigned char>(text_[end_])))) {
      end_ = text_[end_] == '#' ? std::min(text_.find('\n', end_), text_.size()) : end_ + 1;
    }
    start_ = end_;
    if (end_ == text_.size()) {
      token_ = {};
      return;
    }
    const char first = text_[end_++];
    if (first == '"' || first == '\'') {
      SkipString(first);
    } else if (IsLetter(first) || IsDigit(first)) {
      while (end_ < text_.size() && (IsLetter(text_[end_]) || IsDigit(text_[end_]) ||
                                     (IsDigit(first) && text_[end_] == '.'))) {
        ++end_;
      }
    }
    token_ = text_.substr(start_, end_ - start_);
  }

  void SkipString(char quote) {
    while (end_ < text_.size() && text_[end_] != quote && text_[end_] != '\n') {
      end_ = std::min(end_ + (text_[end_] == '\\' ? 2 : 1), text_.size());
    }
    if (end_ < text_.size() && text_[end_] == quote) ++end_;
  }

  bool Take(absl::string_view symbol) {
    if (token_ != symbol) return false;
    Next();
    return true;
  }

  absl::Status Consume(absl::string_view symbol) {
    if (Take(symbol)) return absl::OkStatus();
    return Wrong("Expected \"", symbol, "\", found \"", Shown(token_), "\".");
  }

  bool AtWord() const { return !token_.empty() && IsLetter(token_[0]); }
  bool AtString() const { return !token_.empty() && (token_[0] == '"' || token_[0] == '\''); }

  absl::Status Expected(absl::string_view what) const {
    return Wrong("Expected ", what, ", got: ", Shown(token_));
  }

  absl::Status ReadField(DynamicMessage& message) {
    // A bracket would begin the name of an extension, and there are none.
    Take("[");
    if (!AtWord()) return Expected("identifier");
    const Descriptor* type = message.GetDescriptor();
    const FieldDescriptor* field = type->FindFieldByName(token_);
    if (field == nullptr) {
      absl::string_view name = type->full_name();
      absl::ConsumePrefix(&name, kPackage);
      return Wrong("Message type \"", name, "\" has no field named \"", Shown(token_), "\".");
    }
    if (!field->is_repeated() && message.HasField(field)) {
      return Wrong("Non-repeated field \"", field->name(), "\" is specified multiple times.");
    }
    if (type->option().variant() && !message.ListFields().empty()) {
      return Wrong("Field \"", field->name(), "\" is specified along with field \"",
                   message.ListFields()[0]->name(), "\".");
    }
    Next();
    // Only messages go without a colon.
    if (field->message_type() == nullptr) {
      RETURN_IF_ERROR(Consume(":"));
    } else {
      Take(":");
    }
    RETURN_IF_ERROR(ReadValues(message, field));
    if (!Take(",")) Take(";");
    return absl::OkStatus();
  }

  absl::Status ReadValues(DynamicMessage& message, const FieldDescriptor* field) {
    if (!field->is_repeated() || !Take("[")) return ReadOne(message, field);
    if (Take("]")) return absl::OkStatus();
    do {
      RETURN_IF_ERROR(ReadOne(message, field));
    } while (Take(","));
    return Consume("]");
  }

  absl::Status ReadOne(DynamicMessage& message, const FieldDescriptor* field) {
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return ReadMessage(message.PutMessage(field));
      case FieldDescriptor::CPPTYPE_STRING:
        return ReadString(message, field);
      case FieldDescriptor::CPPTYPE_BOOL:
        return ReadBool(message, field);
      case FieldDescriptor::CPPTYPE_ENUM:
        return ReadEnum(message, field);
      case FieldDescriptor::CPPTYPE_INT32:
        return ReadInteger(message, field, std::numeric_limits<int32_t>::max(), /*sign=*/true);
      case FieldDescriptor::CPPTYPE_INT64:
        return ReadInteger(message, field, std::numeric_limits<int64_t>::max(), /*sign=*/true);
      case FieldDescriptor::CPPTYPE_UINT32:
        return ReadInteger(message, field, std::numeric_limits<uint32_t>::max(), /*sign=*/false);
      case FieldDescriptor::CPPTYPE_UINT64:
        return ReadInteger(message, field, std::numeric_limits<uint64_t>::max(), /*sign=*/false);
    }
    return absl::OkStatus();
  }

  absl::Status ReadMessage(DynamicMessage& message) {
    const absl::string_view end = token_ == "<" ? ">" : "}";
    if (!Take("<")) RETURN_IF_ERROR(Consume("{"));
    while (token_ != ">" && token_ != "}") RETURN_IF_ERROR(ReadField(message));
    return Consume(end);
  }

  // One or more adjacent literals.
  absl::Status ReadString(DynamicMessage& message, const FieldDescriptor* field) {
    if (!AtString()) return Expected("string");
    std::string value;
    for (; AtString(); Next()) {
      if (token_.size() < 2 || token_.back() != token_.front()) {
        return Wrong(end_ == text_.size() ? "Unexpected end of string."
                                          : "String literals cannot cross line boundaries.");
      }
      std::string piece;
      std::string error;
      if (!absl::CUnescape(token_.substr(1, token_.size() - 2), &piece, &error)) {
        return Wrong("Invalid escape sequence in string literal.");
      }
      value += piece;
    }
    message.PutText(field, value);
    return absl::OkStatus();
  }

  absl::Status ReadBool(DynamicMessage& message, const FieldDescriptor* field) {
    const bool is_true = token_ == "true" || token_ == "True" || token_ == "t" || token_ == "1";
    const bool is_false = token_ == "false" || token_ == "False" || token_ == "f" || token_ == "0";
    if (!is_true && !is_false) {
      if (!AtWord()) return Expected("identifier");
      return Wrong("Invalid value for boolean field \"", field->name(), "\". Value: \"",
                   Shown(token_), "\".");
    }
    message.PutNumber(field, is_true ? 1 : 0);
    Next();
    return absl::OkStatus();
  }

  absl::Status ReadEnum(DynamicMessage& message, const FieldDescriptor* field) {
    if (!AtWord()) return Expected("integer or identifier");
    const EnumValueDescriptor* value = field->enum_type()->FindValueByName(token_);
    if (value == nullptr) {
      return Wrong("Unknown enumeration value of \"", Shown(token_), "\" for field \"",
                   field->name(), "\".");
    }
    message.PutNumber(field, static_cast<uint64_t>(value->number()));
    Next();
    return absl::OkStatus();
  }

  absl::Status ReadInteger(DynamicMessage& message, const FieldDescriptor* field, uint64_t max,
                           bool sign) {
    const bool negative = sign && Take("-");
    if (token_.empty() || !IsDigit(token_[0])) return Expected("integer");
    const std::optional<uint64_t> magnitude = Magnitude(token_);
    if (!magnitude.has_value() || *magnitude > max + (negative ? 1 : 0)) {
      return Wrong("Integer out of range (", Shown(token_), ")");
    }
    message.PutNumber(field, negative ? uint64_t{0} - *magnitude : *magnitude);
    Next();
    return absl::OkStatus();
  }

  // 17, 0x11 or 021.
  static std::optional<uint64_t> Magnitude(absl::string_view token) {
    int base = 10;
    if (absl::ConsumePrefix(&token, "0x") || absl::ConsumePrefix(&token, "0X")) {
      base = 16;
    } else if (token.size() > 1 && token[0] == '0') {
      base = 8;
    }
    uint64_t number = 0;
    const char* end = token.data() + token.size();
    const std::from_chars_result result = std::from_chars(token.data(), end, number, base);
    if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
    return number;
  }

  const absl::string_view text_;
  absl::string_view token_;
  size_t start_ = 0;  // of token_
  size_t end_ = 0;
};

std::string ValueText(const DynamicMessage& message, const FieldDescriptor* field, int index) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return message.GetBool(field, index) ? ": true" : ": false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return absl::StrCat(": ", message.GetEnum(field, index)->name());
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(": ", message.GetSigned(field, index));
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(": ", message.GetNumber(field, index));
    case FieldDescriptor::CPPTYPE_STRING:
      return absl::StrCat(": \"", absl::CEscape(message.GetText(field, index)), "\"");
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  const std::string inner = WriteTextProto(message.GetMessage(field, index));
  return absl::StrCat(" { ", inner, inner.empty() ? "}" : " }");
}

}  // namespace

absl::Status ReadTextProto(absl::string_view text, DynamicMessage& message) {
  return Reader(text).ReadAll(message);
}

std::string WriteTextProto(const DynamicMessage& message) {
  std::vector<std::string> parts;
  for (const FieldDescriptor* field : message.ListFields()) {
    for (int i = 0; i < message.FieldSize(field); ++i) {
      parts.push_back(absl::StrCat(field->name(), ValueText(message, field, i)));
    }
  }
  return absl::StrJoin(parts, " ");
}

}  // namespace touchstone
