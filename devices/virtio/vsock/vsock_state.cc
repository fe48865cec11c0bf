#include "devices/virtio/vsock/vsock_state.h"

#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/endian.h"

namespace touchstone {
namespace {

constexpr uint32_t kVersion = 1;

struct Layout {
  Le32 version;
  Le64 guest_cid;
  uint8_t transport_reset;
};
static_assert(sizeof(Layout) == 13);

}  // namespace

std::string WriteVsockState(const VsockState& state) {
  const Layout layout = {.version = kVersion,
                         .guest_cid = state.guest_cid,
                         .transport_reset = state.transport_reset ? uint8_t{1} : uint8_t{0}};
  return std::string(reinterpret_cast<const char*>(&layout), sizeof(layout));
}

absl::StatusOr<VsockState> ReadVsockState(absl::string_view bytes, uint64_t guest_cid) {
  Layout layout;
  if (bytes.size() != sizeof(layout)) {
    return absl::InvalidArgumentError(absl::StrCat("vsock: a state of ", bytes.size(), " bytes"));
  }
  memcpy(&layout, bytes.data(), sizeof(layout));
  if (layout.version != kVersion || layout.transport_reset > 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "vsock: a state of version ", layout.version.get(), " that is not understood"));
  }
  if (layout.guest_cid != guest_cid) {
    return absl::InvalidArgumentError(absl::StrCat("vsock: the state is of a guest with CID ",
                                                   layout.guest_cid.get(), ", this one has ",
                                                   guest_cid));
  }
  return VsockState{.guest_cid = guest_cid, .transport_reset = layout.transport_reset != 0};
}

}  // namespace touchstone
