// The client's end of a control socket.

#ifndef TOUCHSTONE_VMM_CONTROL_CONTROL_CLIENT_H_
#define TOUCHSTONE_VMM_CONTROL_CONTROL_CLIENT_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "vmm/control/control.pb.h"

namespace touchstone {

// Sends `request` to the machine whose control socket is at `path`, and waits for its answer, as
// long as it takes (crosvm.md 2.1) unless `patience` says otherwise. Errors name the path: nobody
// listens there, the machine ended before it answered, or did not answer in time, the answer cannot
// be read. Thread-safe.
absl::StatusOr<ControlResponse> SendControlRequest(
    const std::string& path, const ControlRequest& request,
    absl::Duration patience = absl::InfiniteDuration());

// Hears how far a request is (ControlResponse.more).
using ControlProgress = std::function<void(const ControlResponse&)>;

// The same with duplicates of `files`. `progress`, which may be null, is called by and by; the
// patience begins again with each call. Thread-safe.
absl::StatusOr<ControlResponse> SendControlFiles(
    const std::string& path, const ControlRequest& request, absl::Span<const int> files,
    const ControlProgress& progress, absl::Duration patience = absl::InfiniteDuration());

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONTROL_CONTROL_CLIENT_H_
