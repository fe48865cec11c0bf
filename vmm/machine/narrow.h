// Values of a message that came from outside, put into fields that hold less.

#ifndef TOUCHSTONE_VMM_MACHINE_NARROW_H_
#define TOUCHSTONE_VMM_MACHINE_NARROW_H_

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace touchstone {

// Puts values into fields and remembers the first that did not fit.
class Narrow {
 public:
  template <std::unsigned_integral T>
  void operator()(absl::string_view name, uint64_t value, T& to) {
    if (value > std::numeric_limits<T>::max()) {
      Refuse(absl::StrCat(name, " ", value, " is too large"));
    } else {
      to = static_cast<T>(value);
    }
  }

  template <size_t kSize>
  void operator()(absl::string_view name, absl::string_view bytes, std::array<uint8_t, kSize>& to) {
    if (bytes.size() != kSize) {
      Refuse(absl::StrCat(name, ": ", bytes.size(), " bytes, not ", kSize));
    } else {
      std::copy(bytes.begin(), bytes.end(), to.begin());
    }
  }

  void Refuse(absl::string_view why) {
    if (status_.ok()) status_ = absl::InvalidArgumentError(why);
  }

  [[nodiscard]] const absl::Status& status() const { return status_; }

 private:
  absl::Status status_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_NARROW_H_
