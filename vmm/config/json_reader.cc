#include "vmm/config/json_reader.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/json_cursor.h"
#include "base/status.h"
#include "vmm/config/schema.h"
#include "vmm/config/text.h"
#include "vmm/config/value.h"

namespace touchstone {
namespace {

// RFC 8259 section 6: no prefix, no leading zero.
bool IsJsonInteger(absl::string_view token) {
  absl::ConsumePrefix(&token, "-");
  return (token.size() == 1 || !absl::StartsWith(token, "0")) &&
         token.find_first_not_of("0123456789") == absl::string_view::npos;
}

class Reader {
 public:
  explicit Reader(absl::string_view text) : cursor_(text) {}

  absl::Status ReadAll(DynamicMessage& message, RefusedOptions* refused) {
    absl::Status status = ReadStruct(message, refused);
    if (status.ok() && !cursor_.AtEnd()) status = cursor_.Expected("the end of the text");
    if (status.ok()) return status;
    return absl::InvalidArgumentError(absl::StrCat("line ", cursor_.line(), ": ", path_,
                                                   path_.empty() ? "" : ": ", status.message()));
  }

 private:
  absl::Status ReadStruct(DynamicMessage& message, RefusedOptions* refused = nullptr) {
    const Descriptor* type = message.GetDescriptor();
    std::set<const FieldDescriptor*> seen;
    if (!cursor_.Take('{')) return cursor_.Expected("an object");
    if (!cursor_.Take('}')) {
      do {
        ASSIGN_OR_RETURN(const std::string name, cursor_.TakeString());
        const FieldDescriptor* field = FindField(type, name);
        DynamicMessage* into = &message;
        if (field == nullptr && refused != nullptr) {
          field = FindField(RefusedOptions::type(), name);
          if (field != nullptr) into = &refused->message();
        }
        if (field == nullptr) return UnknownKey(type, name);
        if (!cursor_.Take(':')) return cursor_.Expected("':'");
        const size_t outside = Enter(path_.empty() ? "" : ".", NameOf(field));
        if (!seen.insert(field).second) return absl::InvalidArgumentError("given twice");
        RETURN_IF_ERROR(ReadField(*into, field));
        path_.resize(outside);
      } while (cursor_.Take(','));
      if (!cursor_.Take('}')) return cursor_.Expected("',' or '}'");
    }
    return CheckRequired(message);
  }

  static absl::Status CheckRequired(const DynamicMessage& message) {
    const Descriptor* type = message.GetDescriptor();
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* field = type->field(i);
      if (!OptionOf(field).required() || message.HasField(field)) continue;
      return absl::InvalidArgumentError(absl::StrCat("key ", Quote(NameOf(field)), " is missing"));
    }
    return absl::OkStatus();
  }

  static absl::Status UnknownKey(const Descriptor* type, absl::string_view name) {
    const std::vector<std::string> names = FieldNames(type);
    // Of the options, which are many, --help has the list.
    const std::string list = type->field_count() > 30
                                 ? std::string()
                                 : absl::StrCat(", the keys are ", absl::StrJoin(names, ", "));
    return absl::InvalidArgumentError(
        absl::StrCat("unknown key ", Quote(name), list, DidYouMean(name, names)));
  }

  // Returns the size to which the path goes back.
  size_t Enter(absl::string_view separator, absl::string_view name) {
    const size_t outside = path_.size();
    absl::StrAppend(&path_, separator, name);
    return outside;
  }

  absl::Status ReadField(DynamicMessage& message, const FieldDescriptor* field) {
    if (field->is_repeated()) return ReadList(message, field);
    if (cursor_.TakeWord("null")) return absl::OkStatus();
    return ReadOne(message, field);
  }

  absl::Status ReadList(DynamicMessage& message, const FieldDescriptor* field) {
    if (!cursor_.Take('[')) return cursor_.Expected("a list");
    if (cursor_.Take(']')) return absl::OkStatus();
    size_t index = 0;
    do {
      const size_t outside = Enter("[", absl::StrCat(index++, "]"));
      RETURN_IF_ERROR(ReadOne(message, field));
      path_.resize(outside);
    } while (cursor_.Take(','));
    return cursor_.Take(']') ? absl::OkStatus() : cursor_.Expected("',' or ']'");
  }

  // One value of the field, or one element of its list.
  absl::Status ReadOne(DynamicMessage& message, const FieldDescriptor* field) {
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return ReadMessage(message.PutMessage(field));
      case FieldDescriptor::CPPTYPE_STRING:
      case FieldDescriptor::CPPTYPE_ENUM: {
        if (!cursor_.At('"')) return cursor_.Expected(AcceptedText(field));
        ASSIGN_OR_RETURN(const std::string value, cursor_.TakeString());
        return SetValue(message, field, value);
      }
      default: {
        // 4.3: the elements of a set of CPUs are numbers or ranges in quotes.
        if (OptionOf(field).grammar() == GRAMMAR_RANGES && cursor_.At('"')) {
          ASSIGN_OR_RETURN(const std::string value, cursor_.TakeString());
          return SetValue(message, field, value);
        }
        const absl::string_view token = cursor_.TakeToken();
        if (token.empty()) return cursor_.Expected(AcceptedText(field));
        if (IsInteger(field) && !IsJsonInteger(token)) {
          return absl::InvalidArgumentError(
              absl::StrCat(Quote(token), " is not ", AcceptedText(field)));
        }
        return SetValue(message, field, token);
      }
    }
  }

  absl::Status ReadMessage(DynamicMessage& message) {
    const Descriptor* type = message.GetDescriptor();
    const MessageOption structure = StructureOf(type);
    if (structure.wrapper()) return ReadList(message, type->field(0));
    if (structure.tuple()) return ReadTuple(message);
    if (structure.variant()) return ReadVariant(message);
    return ReadStruct(message);
  }

  absl::Status ReadTuple(DynamicMessage& message) {
    const Descriptor* type = message.GetDescriptor();
    const std::string what = absl::StrCat("a list of ", type->field_count(), " values");
    if (!cursor_.Take('[')) return cursor_.Expected(what);
    for (int i = 0; i < type->field_count(); ++i) {
      if (i > 0 && !cursor_.Take(',')) return cursor_.Expected(what);
      RETURN_IF_ERROR(ReadOne(message, type->field(i)));
    }
    return cursor_.Take(']') ? absl::OkStatus() : cursor_.Expected("']'");
  }

  absl::Status ReadVariant(DynamicMessage& message) {
    const bool has_data = cursor_.Take('{');
    ASSIGN_OR_RETURN(const std::string name, cursor_.TakeString());
    const Descriptor* type = message.GetDescriptor();
    const FieldDescriptor* variant = FindField(type, name);
    if (variant == nullptr) {
      const std::vector<std::string> names = FieldNames(type);
      return absl::InvalidArgumentError(absl::StrCat(
          Quote(name), " is not one of ", absl::StrJoin(names, ", "), DidYouMean(name, names)));
    }
    DynamicMessage& inner = message.PutMessage(variant);
    const size_t outside = Enter(".", NameOf(variant));
    if (!has_data) {
      if (StructureOf(variant->message_type()).tuple()) {
        return absl::InvalidArgumentError(
            absl::StrCat("needs ", variant->message_type()->field_count(), " values"));
      }
      RETURN_IF_ERROR(CheckRequired(inner));
    } else {
      if (!cursor_.Take(':')) return cursor_.Expected("':'");
      RETURN_IF_ERROR(ReadMessage(inner));
      if (!cursor_.Take('}')) return cursor_.Expected("'}'");
    }
    path_.resize(outside);
    return absl::OkStatus();
  }

  JsonCursor cursor_;
  // Of the value that is read: "serial[0].type". Keeps its content when an error ends the reading.
  std::string path_;
};

}  // namespace

absl::Status ReadJson(absl::string_view text, DynamicMessage& message, RefusedOptions* refused) {
  return Reader(text).ReadAll(message, refused);
}

}  // namespace touchstone
