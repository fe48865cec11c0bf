#include "vmm/config/value.h"

#include <charconv>
#include <limits>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "vmm/config/schema.h"
#include "vmm/config/text.h"

namespace touchstone {
namespace {

// A list of ranges never grows beyond this, whatever the ranges say.
constexpr int kMaxRangeElements = 65536;

std::optional<uint64_t> ParseMagnitude(absl::string_view text) {
  int base = 10;
  if (absl::ConsumePrefix(&text, "0x")) {
    base = 16;
  } else if (absl::ConsumePrefix(&text, "0o")) {
    base = 8;
  } else if (absl::ConsumePrefix(&text, "0b")) {
    base = 2;
  }
  uint64_t magnitude = 0;
  const char* end = text.data() + text.size();
  const std::from_chars_result result = std::from_chars(text.data(), end, magnitude, base);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return magnitude;
}

absl::Status NotAccepted(const FieldDescriptor* field, absl::string_view text) {
  return absl::InvalidArgumentError(absl::StrCat(Quote(text), " is not ", AcceptedText(field)));
}

absl::Status SetNumber(DynamicMessage& message, const FieldDescriptor* field,
                       absl::string_view text) {
  const NumberLimits limits = LimitsOf(field);
  if (!IsSigned(field)) {
    const auto number = ParseUnsigned(text, static_cast<uint64_t>(limits.min), limits.max);
    if (!number.has_value()) return NotAccepted(field, text);
    message.PutNumber(field, *number);
    return absl::OkStatus();
  }
  const auto number = ParseSigned(text, limits.min, static_cast<int64_t>(limits.max));
  if (!number.has_value()) return NotAccepted(field, text);
  message.PutNumber(field, static_cast<uint64_t>(*number));
  return absl::OkStatus();
}

absl::Status AddRange(DynamicMessage& message, const FieldDescriptor* field,
                      absl::string_view text) {
  const size_t hyphen = text.find('-');
  if (hyphen == absl::string_view::npos) return SetNumber(message, field, text);
  const NumberLimits limits = LimitsOf(field);
  const uint64_t min = static_cast<uint64_t>(limits.min);
  const auto low = ParseUnsigned(text.substr(0, hyphen), min, limits.max);
  const auto high = ParseUnsigned(text.substr(hyphen + 1), min, limits.max);
  if (!low.has_value() || !high.has_value() || *low > *high) {
    return absl::InvalidArgumentError(absl::StrCat(Quote(text), " is not ", AcceptedText(field),
                                                   ", nor a range LOW-HIGH of them"));
  }
  const int size = message.FieldSize(field);
  if (*high - *low >= static_cast<uint64_t>(kMaxRangeElements - size)) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quote(text), " makes a list of more than ", kMaxRangeElements, " numbers"));
  }
  for (uint64_t number = *low; number <= *high; ++number) message.PutNumber(field, number);
  return absl::OkStatus();
}

}  // namespace

std::optional<uint64_t> ParseUnsigned(absl::string_view text, uint64_t min, uint64_t max) {
  const std::optional<uint64_t> number = ParseMagnitude(text);
  if (!number.has_value() || *number < min || *number > max) return std::nullopt;
  return number;
}

std::optional<int64_t> ParseSigned(absl::string_view text, int64_t min, int64_t max) {
  const bool negative = absl::ConsumePrefix(&text, "-");
  const std::optional<uint64_t> magnitude = ParseMagnitude(text);
  constexpr uint64_t kMostNegative = uint64_t{1} << 63;
  if (!magnitude.has_value() || *magnitude > kMostNegative - (negative ? 0 : 1))
    return std::nullopt;
  const int64_t number = static_cast<int64_t>(negative ? uint64_t{0} - *magnitude : *magnitude);
  if (number < min || number > max) return std::nullopt;
  return number;
}

absl::Status SetValue(DynamicMessage& message, const FieldDescriptor* field,
                      absl::string_view text) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      if (text != "true" && text != "false") return NotAccepted(field, text);
      message.PutNumber(field, text == "true" ? 1 : 0);
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_ENUM: {
      const EnumValueDescriptor* enum_value = FindValue(field->enum_type(), text);
      if (enum_value == nullptr) {
        return absl::InvalidArgumentError(absl::StrCat(
            NotAccepted(field, text).message(), DidYouMean(text, ValueNames(field->enum_type()))));
      }
      message.PutNumber(field, static_cast<uint64_t>(enum_value->number()));
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_STRING:
      message.PutText(field, text);
      return absl::OkStatus();
    default:
      if (!IsInteger(field)) {
        return absl::InternalError(
            absl::StrCat("the schema gives ", field->full_name(), " a type that has no text form"));
      }
      if (OptionOf(field).grammar() == GRAMMAR_RANGES) return AddRange(message, field, text);
      return SetNumber(message, field, text);
  }
}

}  // namespace touchstone
