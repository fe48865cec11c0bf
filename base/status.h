// Status propagation for host errors (absl::Status).
//
//   absl::Status Load(absl::string_view path) {
//     ASSIGN_OR_RETURN(ScopedFd fd, OpenFile(path));
//     RETURN_IF_ERROR(Check(fd));
//     return absl::OkStatus();
//   }

#ifndef TOUCHSTONE_BASE_STATUS_H_
#define TOUCHSTONE_BASE_STATUS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace touchstone {

// The status for the failed call `what` with `error` as its errno: "open /dev/kvm: No such file or
// directory".
absl::Status ErrnoStatus(int error, absl::string_view what);

// `status` with "context: " before its message; ok stays ok.
absl::Status Annotate(const absl::Status& status, absl::string_view context);

}  // namespace touchstone

#define TOUCHSTONE_CONCAT_INNER_(a, b) a##b
#define TOUCHSTONE_CONCAT_(a, b) TOUCHSTONE_CONCAT_INNER_(a, b)

// Returns from the enclosing function when `expression`, an absl::Status, is an error.
#define RETURN_IF_ERROR(expression)                                         \
  do {                                                                      \
    if (absl::Status _status = (expression); !_status.ok()) return _status; \
  } while (false)

// Declares or assigns `lhs` from the value of `expression`, an absl::StatusOr; returns its error
// otherwise.
#define ASSIGN_OR_RETURN(lhs, expression) \
  ASSIGN_OR_RETURN_IMPL_(TOUCHSTONE_CONCAT_(_statusor, __LINE__), lhs, expression)
#define ASSIGN_OR_RETURN_IMPL_(statusor, lhs, expression)  \
  auto statusor = (expression);                            \
  if (!statusor.ok()) return std::move(statusor).status(); \
  lhs = *std::move(statusor)

#endif  // TOUCHSTONE_BASE_STATUS_H_
