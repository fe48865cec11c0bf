// The words of a JSON text (RFC 8259), one at a time.
//
// Knows no values: the caller decides what may come next, which is what bounds its nesting. The
// text is passed once, forwards.
//
// Thread-compatible.

#ifndef TOUCHSTONE_BASE_JSON_CURSOR_H_
#define TOUCHSTONE_BASE_JSON_CURSOR_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace touchstone {

class JsonCursor {
 public:
  // `text` must outlive this.
  explicit JsonCursor(absl::string_view text) : text_(text) {}

  // True when nothing but space is left.
  bool AtEnd();
  // True when `c` comes next.
  bool At(char c);
  // Takes `c` if it comes next.
  bool Take(char c);
  // Takes the word (true, false, null) if it comes next, whole.
  bool TakeWord(absl::string_view word);

  // The characters up to the next space, comma, colon, bracket or quote: a number, or whatever
  // stands in its place. May be empty.
  absl::string_view TakeToken();

  // A string in double quotes, which must come next, with its escapes resolved, as UTF-8. Refuses
  // what RFC 8259 does, and \u0000, which no option can hold.
  absl::StatusOr<std::string> TakeString();

  // "expected WHAT but found 'x'".
  absl::Status Expected(absl::string_view what);

  // The line of the next word, from 1.
  size_t line();

 private:
  void SkipSpace();
  // Four hexadecimal digits after \u.
  absl::StatusOr<unsigned> TakeCodeUnit();
  absl::Status TakeEscape(std::string& out);

  const absl::string_view text_;
  size_t position_ = 0;
  // Lines up to counted_.
  size_t lines_ = 1;
  size_t counted_ = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_JSON_CURSOR_H_
