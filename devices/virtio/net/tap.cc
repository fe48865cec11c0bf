#include "devices/virtio/net/tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace touchstone {
namespace {

constexpr char kTun[] = "/dev/net/tun";
constexpr int kFlags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;

struct OffloadBit {
  uint64_t feature;
  unsigned int tun;
};
constexpr OffloadBit kOffloadBits[] = {
    {kNetGuestChecksum, TUN_F_CSUM}, {kNetGuestTso4, TUN_F_TSO4}, {kNetGuestTso6, TUN_F_TSO6},
    {kNetGuestEcn, TUN_F_TSO_ECN},   {kNetGuestUfo, TUN_F_UFO},
};

unsigned int TunOffloads(uint64_t features) {
  unsigned int offloads = 0;
  for (const OffloadBit& bit : kOffloadBits) {
    if ((features & bit.feature) != 0) offloads |= bit.tun;
  }
  return offloads;
}

absl::Status Ioctl(int fd, unsigned long request, const char* name, void* argument) {
  while (ioctl(fd, request, argument) < 0) {
    if (errno != EINTR) return ErrnoStatus(errno, name);
  }
  return absl::OkStatus();
}

absl::Status SetTunOffloads(int fd, unsigned int offloads) {
  while (ioctl(fd, TUNSETOFFLOAD, static_cast<unsigned long>(offloads)) < 0) {
    if (errno != EINTR) return ErrnoStatus(errno, "TUNSETOFFLOAD");
  }
  return absl::OkStatus();
}

absl::StatusOr<ifreq> RequestFor(absl::string_view name) {
  ifreq request = {};
  if (name.size() >= sizeof(request.ifr_name)) {
    return absl::InvalidArgumentError(absl::StrCat("the name of an interface has at most ",
                                                   sizeof(request.ifr_name) - 1, " characters"));
  }
  memcpy(request.ifr_name, name.data(), name.size());
  return request;
}

// Opens one queue of the interface; the kernel fills in a pattern such as "vmtap%d".
absl::StatusOr<ScopedFd> OpenQueue(ifreq& request, size_t pairs) {
  ASSIGN_OR_RETURN(ScopedFd fd, OpenFile(kTun, O_RDWR | O_NONBLOCK));
  request.ifr_flags = static_cast<short>(kFlags | (pairs > 1 ? IFF_MULTI_QUEUE : 0));
  if (ioctl(fd.get(), TUNSETIFF, &request) == 0) return fd;
  switch (const int error = errno; error) {
    case EPERM:
      return absl::PermissionDeniedError(
          "not permitted: it takes CAP_NET_ADMIN, or a tap that was made for this user (ip tuntap "
          "add NAME mode tap user USER)");
    case EBUSY:
      return absl::FailedPreconditionError("somebody else uses the tap");
    case EINVAL:
      return absl::FailedPreconditionError(absl::StrCat(
          "no tap of the kind that is needed: it has to be made with `mode tap",
          pairs > 1 ? " multi_queue" : "", " vnet_hdr`, ", pairs > 1 ? "" : "without multi_queue, ",
          "or be a bridge's member and not the bridge"));
    default:
      return ErrnoStatus(error, "TUNSETIFF");
  }
}

absl::StatusOr<uint16_t> MtuOf(const std::string& name) {
  const ScopedFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return ErrnoStatus(errno, "socket");
  ASSIGN_OR_RETURN(ifreq request, RequestFor(name));
  RETURN_IF_ERROR(Ioctl(socket.get(), SIOCGIFMTU, "SIOCGIFMTU", &request));
  return static_cast<uint16_t>(std::min(request.ifr_mtu, 0xFFFF));
}

sockaddr Ipv4(uint32_t address) {
  sockaddr_in in = {};
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = htonl(address);
  sockaddr generic;
  static_assert(sizeof(generic) == sizeof(in));
  memcpy(&generic, &in, sizeof(in));
  return generic;
}

absl::Status Configure(const ifreq& interface, const TapAddress& address) {
  const ScopedFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return ErrnoStatus(errno, "socket");
  ifreq request = interface;
  request.ifr_addr = Ipv4(address.ip);
  RETURN_IF_ERROR(Ioctl(socket.get(), SIOCSIFADDR, "SIOCSIFADDR", &request));
  request.ifr_netmask = Ipv4(address.netmask);
  RETURN_IF_ERROR(Ioctl(socket.get(), SIOCSIFNETMASK, "SIOCSIFNETMASK", &request));
  request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  memcpy(request.ifr_hwaddr.sa_data, address.mac.data(), address.mac.size());
  RETURN_IF_ERROR(Ioctl(socket.get(), SIOCSIFHWADDR, "SIOCSIFHWADDR", &request));
  RETURN_IF_ERROR(Ioctl(socket.get(), SIOCGIFFLAGS, "SIOCGIFFLAGS", &request));
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP | IFF_RUNNING);
  return Ioctl(socket.get(), SIOCSIFFLAGS, "SIOCSIFFLAGS", &request);
}

}  // namespace

NetResult TapPort::Receive(absl::Span<const iovec> buffers, size_t& size) {
  const ssize_t count = readv(fd_.get(), buffers.data(), static_cast<int>(buffers.size()));
  if (count > 0) {
    size = static_cast<size_t>(count);
    return NetResult::kDone;
  }
  if (count == 0) return NetResult::kGone;
  switch (errno) {
    case EAGAIN:
    case EINTR:
      return NetResult::kAgain;
    case EFAULT:
    case ENOMEM:
      return NetResult::kFailed;
    default:  // The interface was deleted, or taken away.
      return NetResult::kGone;
  }
}

NetResult TapPort::Send(absl::Span<const iovec> frame) {
  const ssize_t count = writev(fd_.get(), frame.data(), static_cast<int>(frame.size()));
  if (count >= 0) return NetResult::kDone;
  switch (errno) {
    case EAGAIN:
      return NetResult::kAgain;
    case EBADFD:
      return NetResult::kGone;
    default:  // A header that makes no sense, an interface that is down.
      return NetResult::kFailed;
  }
}

TapBackend::TapBackend(std::string name, std::vector<ScopedFd> fds, std::optional<uint16_t> mtu)
    : name_(std::move(name)), mtu_(mtu), active_pairs_(fds.size()) {
  for (ScopedFd& fd : fds) ports_.push_back(std::make_unique<TapPort>(std::move(fd)));
}

absl::StatusOr<std::unique_ptr<TapBackend>> TapBackend::OpenByName(absl::string_view name,
                                                                   size_t pairs) {
  ASSIGN_OR_RETURN(ifreq request, RequestFor(name));
  // The kernel would make what is missing, for those who may.
  if (if_nametoindex(request.ifr_name) == 0) {
    return absl::NotFoundError("there is no such interface");
  }
  ASSIGN_OR_RETURN(ScopedFd fd, OpenQueue(request, pairs));
  return Finish(std::move(fd), pairs);
}

absl::StatusOr<std::unique_ptr<TapBackend>> TapBackend::FromFd(ScopedFd fd, size_t pairs) {
  const int flags = fcntl(fd.get(), F_GETFL);
  if (flags < 0) return ErrnoStatus(errno, "the descriptor");
  ifreq request = {};
  if (ioctl(fd.get(), TUNGETIFF, &request) < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("the descriptor is no tap (", strerror(errno), ")"));
  }
  if ((request.ifr_flags & kFlags) != kFlags) {
    return absl::FailedPreconditionError(absl::StrCat(
        "interface ", request.ifr_name, " was opened without IFF_TAP, IFF_NO_PI or IFF_VNET_HDR"));
  }
  if (pairs > 1 && (request.ifr_flags & IFF_MULTI_QUEUE) == 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "interface ", request.ifr_name, " was opened without IFF_MULTI_QUEUE, so it has one pair"));
  }
  if (fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) < 0) return ErrnoStatus(errno, "F_SETFL");
  return Finish(std::move(fd), pairs);
}

absl::StatusOr<std::unique_ptr<TapBackend>> TapBackend::Create(const TapAddress& address,
                                                               size_t pairs) {
  ASSIGN_OR_RETURN(ifreq request, RequestFor("vmtap%d"));
  ASSIGN_OR_RETURN(ScopedFd fd, OpenQueue(request, pairs));
  if (absl::Status status = Configure(request, address); !status.ok()) {
    return Annotate(status, request.ifr_name);
  }
  return Finish(std::move(fd), pairs);
}

absl::StatusOr<std::unique_ptr<TapBackend>> TapBackend::Finish(ScopedFd first, size_t pairs) {
  ifreq request = {};
  RETURN_IF_ERROR(Ioctl(first.get(), TUNGETIFF, "TUNGETIFF", &request));
  const std::string name = request.ifr_name;
  std::vector<ScopedFd> fds;
  fds.push_back(std::move(first));
  while (fds.size() < pairs) {
    ASSIGN_OR_RETURN(ScopedFd fd, OpenQueue(request, pairs));
    fds.push_back(std::move(fd));
  }
  for (const ScopedFd& fd : fds) {
    int size = sizeof(NetHeader);
    RETURN_IF_ERROR(Ioctl(fd.get(), TUNSETVNETHDRSZ, "TUNSETVNETHDRSZ", &size));
  }
  std::optional<uint16_t> mtu;
  if (absl::StatusOr<uint16_t> found = MtuOf(name); found.ok()) mtu = *found;
  return FromQueues(std::move(fds), mtu);
}

absl::StatusOr<std::unique_ptr<TapBackend>> TapBackend::FromQueues(std::vector<ScopedFd> fds,
                                                                   std::optional<uint16_t> mtu) {
  ifreq request = {};
  RETURN_IF_ERROR(Ioctl(fds[0].get(), TUNGETIFF, "TUNGETIFF", &request));
  const std::string name = request.ifr_name;
  std::unique_ptr<TapBackend> self(new TapBackend(name, std::move(fds), mtu));
  // What a driver leaves to us goes to the kernel as it is; what it takes, the kernel has to know.
  uint64_t guest = kNetGuestOffloadBits;
  if (!self->SetGuestOffloads(guest).ok()) guest &= ~kNetGuestUfo;
  if (!self->SetGuestOffloads(guest).ok()) guest = 0;
  self->offloads_ = kNetHostOffloadBits | guest;
  RETURN_IF_ERROR(self->SetGuestOffloads(0));
  return self;
}

std::vector<ScopedFd> TapBackend::Release(std::unique_ptr<TapBackend> backend) {
  std::vector<ScopedFd> queues;
  for (const std::unique_ptr<TapPort>& port : backend->ports_) queues.push_back(port->Release());
  return queues;
}

// All queues of a tap share their offloads.
absl::Status TapBackend::SetGuestOffloads(uint64_t offloads) {
  return Annotate(SetTunOffloads(ports_[0]->fd(), TunOffloads(offloads)), name_);
}

absl::Status TapBackend::SetActivePairs(size_t pairs) {
  while (active_pairs_ != pairs) {
    const bool attach = active_pairs_ < pairs;
    const size_t pair = attach ? active_pairs_ : active_pairs_ - 1;
    ifreq request = {};
    request.ifr_flags = attach ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE;
    absl::Status status = Ioctl(ports_[pair]->fd(), TUNSETQUEUE, "TUNSETQUEUE", &request);
    if (!status.ok()) return Annotate(status, name_);
    active_pairs_ = attach ? active_pairs_ + 1 : active_pairs_ - 1;
  }
  return absl::OkStatus();
}

}  // namespace touchstone
