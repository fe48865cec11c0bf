#include "vmm/config/key_value.h"

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "vmm/config/schema.h"
#include "vmm/config/text.h"
#include "vmm/config/value.h"

namespace touchstone {
namespace {

constexpr absl::string_view kReservedInText = ",[]\"'";

// One pass over the text, never backwards further than the identifier just read.
class Parser {
 public:
  explicit Parser(absl::string_view text) : text_(text) {}

  absl::Status ParseAll(DynamicMessage& message) {
    const MessageOption structure = StructureOf(message.GetDescriptor());
    if (structure.variant()) {
      RETURN_IF_ERROR(ParseVariant(message, nullptr));
    } else {
      RETURN_IF_ERROR(ParseStruct(message, !structure.no_positional(), /*bracketed=*/false));
    }
    return position_ == text_.size() ? absl::OkStatus() : ExpectedSeparator();
  }

 private:
  bool At(char c) const { return position_ < text_.size() && text_[position_] == c; }
  bool AtEnd() const { return position_ == text_.size(); }
  // Where a value must stop: the end of the text, a comma, a closing bracket.
  bool AtSeparator() const { return AtEnd() || At(',') || At(']'); }

  bool Take(char c) {
    if (!At(c)) return false;
    ++position_;
    return true;
  }

  // Letters, digits, "_" and, except first, "-".
  absl::string_view PeekIdentifier() const {
    size_t end = position_;
    while (end < text_.size() && (absl::ascii_isalnum(static_cast<unsigned char>(text_[end])) ||
                                  text_[end] == '_' || (text_[end] == '-' && end != position_))) {
      ++end;
    }
    return text_.substr(position_, end - position_);
  }

  // What stands at the position up to the next separator, for values and messages.
  absl::string_view PeekToken() const {
    const size_t end = text_.find_first_of(",]", position_);
    return text_.substr(position_, end == absl::string_view::npos ? end : end - position_);
  }

  static absl::Status ErrorAt(size_t position, absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(what, " at position ", position));
  }

  static std::string Key(const FieldDescriptor* field) {
    return absl::StrCat("key ", Quote(NameOf(field)));
  }

  absl::Status Expected(absl::string_view what) const {
    if (AtEnd()) return ErrorAt(position_, absl::StrCat("expected ", what, " but the text ends"));
    return ErrorAt(position_, absl::StrCat("expected ", what, " but found ",
                                           Quote(text_.substr(position_, 1))));
  }

  absl::Status ExpectedSeparator() const {
    if (!AtEnd() && absl::StrContains(kReservedInText, text_[position_])) {
      return Expected("',' (a text with any of , [ ] \" ' needs quotes around all of it)");
    }
    return Expected("','");
  }

  // The fields of a struct up to the end of the text or, when bracketed, its closing bracket, which
  // stays.
  absl::Status ParseStruct(DynamicMessage& message, bool positional, bool bracketed) {
    const Descriptor* type = message.GetDescriptor();
    std::vector<bool> seen(static_cast<size_t>(type->field_count()));
    for (bool first = true; !AtEnd() && !(bracketed && At(']')); first = false) {
      const size_t start = position_;
      const absl::string_view name = PeekIdentifier();
      const FieldDescriptor* field = FindField(type, name);
      const bool has_equals =
          start + name.size() < text_.size() && text_[start + name.size()] == '=';
      // crosvm.md 4.1: an identifier before "=" is a key, a field's name is a flag, all else is the
      // first field's value.
      const bool is_key = !name.empty() && (has_equals || field != nullptr);
      if (!is_key && first && positional && type->field_count() > 0) {
        field = type->field(0);
        seen[0] = true;
        if (AtSeparator()) return Expected("a value");
        RETURN_IF_ERROR(ParseField(message, field));
      } else {
        RETURN_IF_ERROR(CheckKey(type, name, field, has_equals));
        position_ += name.size();
        if (seen[static_cast<size_t>(field->index())]) {
          return ErrorAt(start, absl::StrCat(Key(field), " is given twice"));
        }
        seen[static_cast<size_t>(field->index())] = true;
        RETURN_IF_ERROR(Take('=') ? ParseField(message, field) : ParseFlag(message, field));
      }
      if (AtEnd() || (bracketed && At(']'))) break;
      if (!Take(',')) return ExpectedSeparator();
    }
    for (int i = 0; i < type->field_count(); ++i) {
      if (OptionOf(type->field(i)).required() && !seen[static_cast<size_t>(i)]) {
        return absl::InvalidArgumentError(absl::StrCat(Key(type->field(i)), " is missing"));
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckKey(const Descriptor* type, absl::string_view name,
                        const FieldDescriptor* field, bool has_equals) const {
    if (name.empty()) return Expected("a key");
    if (field != nullptr) return absl::OkStatus();
    const std::vector<std::string> names = FieldNames(type);
    return ErrorAt(position_, absl::StrCat("unknown key ", Quote(has_equals ? name : PeekToken()),
                                           ", the keys are ", absl::StrJoin(names, ", "),
                                           DidYouMean(name, names)));
  }

  // A key without "=": a true bool, or a struct of defaults.
  absl::Status ParseFlag(DynamicMessage& message, const FieldDescriptor* field) {
    if (!field->is_repeated() && field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
      message.PutNumber(field, 1);
      return absl::OkStatus();
    }
    if (!field->is_repeated() && IsPlainStruct(field) && AtSeparator())
      return ParseField(message, field);
    return ErrorAt(position_, absl::StrCat(Key(field), ": expected '=' and ", Accepted(field)));
  }

  static std::string Accepted(const FieldDescriptor* field) {
    return field->is_repeated() ? absl::StrCat("a list in brackets, each ", AcceptedText(field))
                                : AcceptedText(field);
  }

  absl::Status ParseField(DynamicMessage& message, const FieldDescriptor* field) {
    return field->is_repeated() ? ParseList(message, field, field) : ParseOne(message, field);
  }

  // `owner` is the key that messages name.
  absl::Status ParseList(DynamicMessage& message, const FieldDescriptor* field,
                         const FieldDescriptor* owner) {
    if (!Take('[')) return Expected(absl::StrCat("'[' of a list for ", Key(owner)));
    while (!At(']')) {
      if (AtSeparator()) return Expected("a value or ']'");
      RETURN_IF_ERROR(ParseOne(message, field));
      if (At(']')) break;
      if (!Take(',')) return Expected("',' or ']'");
    }
    ++position_;
    return absl::OkStatus();
  }

  // One value of the field, or one element of its list.
  absl::Status ParseOne(DynamicMessage& message, const FieldDescriptor* field) {
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) return ParseString(message, field);
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return ParseScalar(message, field);
    DynamicMessage& inner = message.PutMessage(field);
    const MessageOption structure = StructureOf(field->message_type());
    if (structure.wrapper()) return ParseList(inner, field->message_type()->field(0), field);
    if (structure.tuple()) return ParseTuple(inner, field);
    if (structure.variant()) return ParseVariant(inner, field);
    return ParseBracketedStruct(inner, /*positional=*/!structure.no_positional(), field);
  }

  // [key=value,...]; nothing at all means the defaults.
  absl::Status ParseBracketedStruct(DynamicMessage& message, bool positional,
                                    const FieldDescriptor* owner) {
    if (AtSeparator()) {
      // An empty struct lacks its required keys; reading nothing says which.
      Parser nothing("");
      return nothing.ParseStruct(message, positional, /*bracketed=*/false);
    }
    if (!Take('[')) {
      const std::vector<std::string> names = FieldNames(message.GetDescriptor());
      return ErrorAt(position_, absl::StrCat(Key(owner), ": ", Quote(PeekToken()),
                                             " is not [key=value,...] of the keys ",
                                             absl::StrJoin(names, ", ")));
    }
    RETURN_IF_ERROR(ParseStruct(message, positional, /*bracketed=*/true));
    return Take(']') ? absl::OkStatus() : Expected("']'");
  }

  absl::Status ParseTuple(DynamicMessage& message, const FieldDescriptor* owner) {
    const Descriptor* type = message.GetDescriptor();
    if (!Take('['))
      return Expected(absl::StrCat("'[' of ", type->field_count(), " values for ", Key(owner)));
    for (int i = 0; i < type->field_count(); ++i) {
      if (At(']')) {
        return ErrorAt(position_, absl::StrCat("expected ", type->field_count(),
                                               " values in brackets but there are ", i));
      }
      if (AtSeparator()) return Expected("a value");
      RETURN_IF_ERROR(ParseField(message, type->field(i)));
      if (At(']')) continue;
      if (!Take(',')) return Expected("',' or ']'");
    }
    return Take(']') ? absl::OkStatus() : Expected("']'");
  }

  // `owner` is the key whose value it is, null at the top.
  absl::Status ParseVariant(DynamicMessage& message, const FieldDescriptor* owner) {
    const absl::string_view name = PeekIdentifier();
    const FieldDescriptor* variant = FindField(message.GetDescriptor(), name);
    if (variant == nullptr) {
      const std::vector<std::string> names = FieldNames(message.GetDescriptor());
      return ErrorAt(position_, absl::StrCat(owner == nullptr ? "" : absl::StrCat(Key(owner), ": "),
                                             Quote(PeekToken()), " is not one of ",
                                             absl::StrJoin(names, ", "), DidYouMean(name, names)));
    }
    position_ += name.size();
    DynamicMessage& inner = message.PutMessage(variant);
    if (IsPlainVariant(variant)) return AtSeparator() ? absl::OkStatus() : ExpectedSeparator();
    if (StructureOf(variant->message_type()).tuple()) return ParseTuple(inner, variant);
    return ParseBracketedStruct(inner, /*positional=*/false, variant);
  }

  absl::Status ParseScalar(DynamicMessage& message, const FieldDescriptor* field) {
    const size_t start = position_;
    const absl::string_view token = PeekToken();
    position_ += token.size();
    return Locate(SetValue(message, field, token), field, start);
  }

  absl::Status ParseString(DynamicMessage& message, const FieldDescriptor* field) {
    const size_t start = position_;
    std::string value;
    if (At('"')) {
      RETURN_IF_ERROR(Locate(TakeQuoted(value), field, start));
    } else if (Take('\'')) {
      const size_t end = text_.find('\'', position_);
      if (end == absl::string_view::npos) {
        return ErrorAt(start, absl::StrCat(Key(field), ": the closing ' is missing"));
      }
      value = std::string(text_.substr(position_, end - position_));
      position_ = end + 1;
    } else {
      const size_t found = text_.find_first_of(kReservedInText, start);
      position_ = found == absl::string_view::npos ? text_.size() : found;
      if (position_ == start) {
        return ErrorAt(start, absl::StrCat(Key(field), ": expected a text (an empty one is \"\")"));
      }
      value = std::string(text_.substr(start, position_ - start));
    }
    if (!AtSeparator()) return ExpectedSeparator();
    return Locate(SetValue(message, field, value), field, start);
  }

  // "..." with \" and \\ as its only escapes.
  absl::Status TakeQuoted(std::string& value) {
    for (++position_; !AtEnd(); ++position_) {
      char c = text_[position_];
      if (c == '"') {
        ++position_;
        return absl::OkStatus();
      }
      if (c == '\\') {
        ++position_;
        if (!At('"') && !At('\\')) {
          return absl::InvalidArgumentError("after a \\ only \" and \\ are accepted");
        }
        c = text_[position_];
      }
      value.push_back(c);
    }
    return absl::InvalidArgumentError("the closing \" is missing");
  }

  static absl::Status Locate(const absl::Status& status, const FieldDescriptor* field,
                             size_t position) {
    if (status.ok()) return status;
    return ErrorAt(position, absl::StrCat(Key(field), ": ", status.message()));
  }

  const absl::string_view text_;
  size_t position_ = 0;
};

}  // namespace

absl::Status ParseKeyValue(absl::string_view text, DynamicMessage& message) {
  return Parser(text).ParseAll(message);
}

}  // namespace touchstone
