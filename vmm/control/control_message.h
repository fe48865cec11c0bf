// The packets of a control socket as both ends make and read them.

#ifndef TOUCHSTONE_VMM_CONTROL_CONTROL_MESSAGE_H_
#define TOUCHSTONE_VMM_CONTROL_CONTROL_MESSAGE_H_

#include <cstddef>
#include <string>
#include <utility>

#include "vmm/control/control.pb.h"

namespace touchstone {

// Larger packets are refused.
inline constexpr size_t kMaxControlRequest = 4096;
inline constexpr size_t kMaxControlResponse = size_t{128} << 10;
// Descriptors that come with a request.
inline constexpr size_t kMaxControlFiles = 2;

inline ControlResponse ControlDone(std::string text = {}) {
  ControlResponse response;
  response.set_error(0);
  if (!text.empty()) response.set_text(std::move(text));
  return response;
}

// `error` is an errno value, `text` says more.
inline ControlResponse ControlError(int error, std::string text) {
  ControlResponse response;
  response.set_error(error);
  response.set_text(std::move(text));
  return response;
}

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONTROL_CONTROL_MESSAGE_H_
