#include "base/json_cursor.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace touchstone {
namespace {

constexpr absl::string_view kSpace = " \t\r\n";
constexpr absl::string_view kEndsToken = " \t\r\n,:[]{}\"";

// For messages: one line of bounded length.
std::string Quote(absl::string_view text) {
  constexpr size_t kMaxShown = 60;
  const bool cut = text.size() > kMaxShown;
  std::string quoted = "'";
  for (const char c : text.substr(0, kMaxShown)) {
    const unsigned char byte = static_cast<unsigned char>(c);
    const bool control = byte < 0x20 || byte == 0x7f;
    absl::StrAppend(&quoted,
                    control ? absl::CHexEscape(absl::string_view(&c, 1)) : std::string(1, c));
  }
  return absl::StrCat(quoted, cut ? "..." : "", "'");
}

void AppendUtf8(unsigned code, std::string& out) {
  const auto add = [&out](unsigned byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xc0 | (code >> 6));
    add(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    add(0xe0 | (code >> 12));
    add(0x80 | ((code >> 6) & 0x3f));
    add(0x80 | (code & 0x3f));
  } else {
    add(0xf0 | (code >> 18));
    add(0x80 | ((code >> 12) & 0x3f));
    add(0x80 | ((code >> 6) & 0x3f));
    add(0x80 | (code & 0x3f));
  }
}

}  // namespace

void JsonCursor::SkipSpace() {
  position_ = std::min(text_.find_first_not_of(kSpace, position_), text_.size());
}

bool JsonCursor::AtEnd() {
  SkipSpace();
  return position_ == text_.size();
}

bool JsonCursor::At(char c) { return !AtEnd() && text_[position_] == c; }

bool JsonCursor::Take(char c) {
  if (!At(c)) return false;
  ++position_;
  return true;
}

bool JsonCursor::TakeWord(absl::string_view word) {
  SkipSpace();
  const size_t end = std::min(text_.find_first_of(kEndsToken, position_), text_.size());
  if (text_.substr(position_, end - position_) != word) return false;
  position_ = end;
  return true;
}

absl::string_view JsonCursor::TakeToken() {
  SkipSpace();
  const size_t end = std::min(text_.find_first_of(kEndsToken, position_), text_.size());
  const absl::string_view token = text_.substr(position_, end - position_);
  position_ = end;
  return token;
}

absl::StatusOr<std::string> JsonCursor::TakeString() {
  if (!Take('"')) return Expected("a string");
  std::string value;
  while (true) {
    const size_t end = std::min(text_.find_first_of("\"\\", position_), text_.size());
    const absl::string_view plain = text_.substr(position_, end - position_);
    // RFC 8259 section 7: control characters must be escaped.
    if (std::any_of(plain.begin(), plain.end(),
                    [](char c) { return static_cast<unsigned char>(c) < 0x20; })) {
      return absl::InvalidArgumentError(
          absl::StrCat("control character in the string ", Quote(plain)));
    }
    value.append(plain.data(), plain.size());
    if (end == text_.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("the closing \" is missing after ", Quote(value)));
    }
    position_ = end + 1;
    if (text_[end] == '"') return value;
    RETURN_IF_ERROR(TakeEscape(value));
  }
}

absl::Status JsonCursor::TakeEscape(std::string& out) {
  constexpr absl::string_view kLetters = "\"\\/bfnrt";
  constexpr absl::string_view kMeanings = "\"\\/\b\f\n\r\t";
  const char letter = position_ < text_.size() ? text_[position_] : '\0';
  const size_t known = kLetters.find(letter);
  if (known != absl::string_view::npos && letter != '\0') {
    ++position_;
    out.push_back(kMeanings[known]);
    return absl::OkStatus();
  }
  if (letter != 'u') {
    return absl::InvalidArgumentError(absl::StrCat(
        "unknown escape ", Quote(absl::StrCat("\\", text_.substr(position_, 1))), " in a string"));
  }
  ++position_;
  ASSIGN_OR_RETURN(unsigned code, TakeCodeUnit());
  if (code >= 0xd800 && code < 0xdc00 && absl::StartsWith(text_.substr(position_), "\\u")) {
    position_ += 2;
    ASSIGN_OR_RETURN(const unsigned low, TakeCodeUnit());
    if (low < 0xdc00 || low > 0xdfff) {
      return absl::InvalidArgumentError("half a surrogate pair in a string");
    }
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  } else if (code >= 0xd800 && code < 0xe000) {
    return absl::InvalidArgumentError("half a surrogate pair in a string");
  }
  if (code == 0) return absl::InvalidArgumentError("\\u0000 in a string");
  AppendUtf8(code, out);
  return absl::OkStatus();
}

absl::StatusOr<unsigned> JsonCursor::TakeCodeUnit() {
  const absl::string_view digits = text_.substr(position_, 4);
  unsigned code = 0;
  const std::from_chars_result result =
      std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
  if (digits.size() != 4 || result.ptr != digits.data() + 4) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quote(absl::StrCat("\\u", digits)), " is no \\u and four hexadecimal digits"));
  }
  position_ += 4;
  return code;
}

absl::Status JsonCursor::Expected(absl::string_view what) {
  if (AtEnd()) {
    return absl::InvalidArgumentError(absl::StrCat("expected ", what, " but the text ends"));
  }
  const size_t end = std::min(text_.find_first_of(kEndsToken, position_), text_.size());
  const size_t size = std::max<size_t>(end - position_, 1);
  return absl::InvalidArgumentError(
      absl::StrCat("expected ", what, " but found ", Quote(text_.substr(position_, size))));
}

size_t JsonCursor::line() {
  SkipSpace();
  lines_ +=
      static_cast<size_t>(std::count(text_.begin() + static_cast<ptrdiff_t>(counted_),
                                     text_.begin() + static_cast<ptrdiff_t>(position_), '\n'));
  counted_ = position_;
  return lines_;
}

}  // namespace touchstone
