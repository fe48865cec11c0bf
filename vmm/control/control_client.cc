#include "vmm/control/control_client.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/fd_socket.h"
#include "base/scoped_fd.h"
#include "base/status.h"
#include "base/unix_socket.h"
#include "vmm/control/control_message.h"

namespace touchstone {

absl::StatusOr<ControlResponse> SendControlRequest(const std::string& path,
                                                   const ControlRequest& request,
                                                   absl::Duration patience) {
  return SendControlFiles(path, request, {}, nullptr, patience);
}

absl::StatusOr<ControlResponse> SendControlFiles(const std::string& path,
                                                 const ControlRequest& request,
                                                 absl::Span<const int> files,
                                                 const ControlProgress& progress,
                                                 absl::Duration patience) {
  ASSIGN_OR_RETURN(ScopedFd fd, ConnectUnix(path, SOCK_SEQPACKET));
  const int flags = fcntl(fd.get(), F_GETFL);
  if (flags < 0 || fcntl(fd.get(), F_SETFL, flags & ~O_NONBLOCK) != 0) {
    return ErrnoStatus(errno, "fcntl of a socket");
  }
  const FdSocket socket(std::move(fd));
  RETURN_IF_ERROR(socket.SetTimeout(patience));
  const std::string bytes = request.SerializeAsString();
  const absl::Status sent =
      socket.Send({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, files);
  std::vector<uint8_t> answer(kMaxControlResponse);
  for (;;) {
    const absl::StatusOr<size_t> size =
        sent.ok() ? socket.Receive(absl::MakeSpan(answer)) : absl::StatusOr<size_t>(sent);
    // FdSocket's code for a peer that is gone.
    if (size.ok() ? *size == 0 : absl::IsFailedPrecondition(size.status())) {
      return absl::UnavailableError(absl::StrCat(path, ": the machine is gone, or refuses us"));
    }
    if (absl::IsUnavailable(size.status())) {
      return absl::UnavailableError(absl::StrCat(path, ": the machine does not answer"));
    }
    if (!size.ok()) return Annotate(size.status(), path);
    ControlResponse response;
    if (!response.ParseFromArray(answer.data(), static_cast<int>(*size))) {
      return absl::DataLossError(absl::StrCat(path, ": the answer cannot be read"));
    }
    if (!response.more()) return response;
    if (progress != nullptr) progress(response);
  }
}

}  // namespace touchstone
