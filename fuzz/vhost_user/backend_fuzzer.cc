// Hostile vhost-user front ends: whatever they send, in whatever order, the back end lives, loses
// no descriptor, and serves the next front end.
//
// The input is a list of steps, each a byte that says what:
//
//   0-24   a request, in the order of their numbers, those of 30 to 33 left out; then a byte of
//          how: bit 0 NEED_REPLY; bit 1, two bytes (place, value) change the payload; bit 2, the
//          payload is from the input, a byte of length before it; bits 3-4 descriptors more or
//          fewer than the request has; bits 5-7 which ring, or kind of descriptor
//   25     bytes as they are, a byte of length before them
//   26     a kick
//   27     8 bytes into guest memory, at two bytes of place
//   28     memory is cut short, or grows back
//   29     the host is done with a request of the device
//   30     GET_INFLIGHT_FD, as above
//   31     SET_INFLIGHT_FD, with the memory that came last; the same
//   32     SET_LOG_BASE; the same
//   33     SET_LOG_FD; the same
//   34     the log is cut short, or grows back
//
// What a request needs to succeed is there unless the byte of how says otherwise.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/event/manual_loop.h"
#include "base/event_fd.h"
#include "base/log.h"
#include "base/memory/guest_memory.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/echo_device.h"
#include "devices/virtio/vhost_user/backend.h"
#include "devices/virtio/vhost_user/raw_peer.h"
#include "fuzz/support/fuzz_input.h"

namespace touchstone {
namespace {

constexpr uint64_t kMemory = 64 << 10;
constexpr uint64_t kLog = 8 << 10;
constexpr uint64_t kUser = uint64_t{1} << 40;
constexpr uint32_t kRingSize = 8;
// Where the rings are, and how far apart their areas.
constexpr uint64_t kRing = 0x1000;
constexpr int kMostSteps = 200;

// What the host has, whatever the number of inputs.
struct Resources {
  Resources()
      : file(memfd_create("fuzz", MFD_CLOEXEC)),
        log(memfd_create("log", MFD_CLOEXEC)),
        kick(EventFd::Create().value()),
        call(EventFd::Create().value()),
        null(open("/dev/null", O_RDWR | O_CLOEXEC)) {
    CHECK(SetLogLevels("off").ok());
  }

  void Grow() const { CHECK(ftruncate(file.get(), kMemory) == 0); }
  void GrowLog() const { CHECK(ftruncate(log.get(), kLog) == 0); }

  const ScopedFd file;
  const ScopedFd log;
  const EventFd kick;
  const EventFd call;
  const ScopedFd null;
};

const Resources& Host() {
  static const auto& host = *new Resources;
  return host;
}

VhostUserMemoryRegion Region(uint8_t which) {
  const uint64_t start = uint64_t{which} * kMemory;
  return {.guest_address = start,
          .size = kMemory,
          .user_address = kUser + start,
          .mmap_offset = uint64_t{0}};
}

template <typename T>
void Append(std::vector<uint8_t>& bytes, const T& object) {
  const std::vector<uint8_t> more = VhostUserPayload(object);
  bytes.insert(bytes.end(), more.begin(), more.end());
}

// The payload by which this request succeeds, for ring `which`.
std::vector<uint8_t> Payload(VhostUserRequest request, uint8_t which) {
  const uint32_t ring = which & 1;
  switch (request) {
    case VhostUserRequest::kSetFeatures:
      return VhostUserPayload(Le64(kVirtioVersion1 | kVhostUserProtocolFeatures |
                                   ((which & 2) != 0 ? kVirtioPackedRing : 0) |
                                   ((which & 4) != 0 ? kVhostUserLogAll : 0)));
    case VhostUserRequest::kSetLogBase:
      return VhostUserPayload(VhostUserLog{.mmap_size = uint64_t{which} + 1,
                                           .mmap_offset = (which & 4) != 0 ? uint64_t{4096} : 0});
    case VhostUserRequest::kSetProtocolFeatures:
      return VhostUserPayload(Le64(VhostUserBackend::kProtocolFeatures | kVhostUserInflightShmfd));
    case VhostUserRequest::kGetInflightFd:
    case VhostUserRequest::kSetInflightFd:
      return VhostUserPayload(VhostUserInflight{.mmap_size = uint64_t{4096},
                                                .mmap_offset = uint64_t{0},
                                                .queues = uint16_t{2},
                                                .queue_size = uint16_t{kRingSize}});
    case VhostUserRequest::kSetMemTable: {
      std::vector<uint8_t> bytes =
          VhostUserPayload(VhostUserMemoryHeader{.regions = 1u, .padding = 0u});
      Append(bytes, Region(0));
      return bytes;
    }
    case VhostUserRequest::kAddMemReg:
    case VhostUserRequest::kRemMemReg:
      return VhostUserPayload(
          VhostUserSingleRegion{.padding = uint64_t{0}, .region = Region(which)});
    case VhostUserRequest::kSetVringNum:
      return VhostUserPayload(VhostUserVringState{.index = ring, .num = kRingSize});
    case VhostUserRequest::kSetVringBase:
      return VhostUserPayload(
          VhostUserVringState{.index = ring, .num = (which & 2) != 0 ? uint32_t{0x8000'8000} : 0u});
    case VhostUserRequest::kGetVringBase:
      return VhostUserPayload(VhostUserVringState{.index = ring, .num = 0u});
    case VhostUserRequest::kSetVringEnable:
      return VhostUserPayload(
          VhostUserVringState{.index = ring, .num = (which & 4) != 0 ? 0u : 1u});
    case VhostUserRequest::kSetVringAddr: {
      const uint64_t at = kUser + kRing + ring * 3 * kRing;
      return VhostUserPayload(VhostUserVringAddress{.index = ring,
                                                    .flags = uint32_t{which} >> 2,
                                                    .descriptors = at,
                                                    .used = at + 2 * kRing,
                                                    .available = at + kRing,
                                                    .log = (which & 2) != 0 ? 2 * kRing : ~0u});
    }
    case VhostUserRequest::kSetVringKick:
    case VhostUserRequest::kSetVringCall:
    case VhostUserRequest::kSetVringErr:
      return VhostUserPayload(Le64(uint64_t{ring}));
    case VhostUserRequest::kSetStatus:
      return VhostUserPayload(Le64(uint64_t{which} << 1));
    case VhostUserRequest::kGetConfig:
    case VhostUserRequest::kSetConfig: {
      std::vector<uint8_t> bytes =
          VhostUserPayload(VhostUserConfigHeader{.offset = 0u, .size = 4u, .flags = 0u});
      bytes.resize(bytes.size() + 4, which);
      return bytes;
    }
    case VhostUserRequest::kSetDeviceStateFd:
      return VhostUserPayload(VhostUserStateRequest{.direction = uint32_t{which} & 1, .phase = 0u});
    default:
      return {};
  }
}

int DescriptorFor(VhostUserRequest request, uint8_t which) {
  if (which == 7) return Host().null.get();
  switch (request) {
    case VhostUserRequest::kSetMemTable:
    case VhostUserRequest::kAddMemReg:
    case VhostUserRequest::kSetDeviceStateFd:
    case VhostUserRequest::kSetInflightFd:
      return Host().file.get();
    case VhostUserRequest::kSetLogBase:
      return Host().log.get();
    case VhostUserRequest::kSetVringKick:
      return Host().kick.fd();
    default:
      return Host().call.fd();
  }
}

size_t DescriptorsOf(VhostUserRequest request) {
  switch (request) {
    case VhostUserRequest::kSetMemTable:
    case VhostUserRequest::kAddMemReg:
    case VhostUserRequest::kSetLogBase:
    case VhostUserRequest::kSetLogFd:
    case VhostUserRequest::kSetVringKick:
    case VhostUserRequest::kSetVringCall:
    case VhostUserRequest::kSetVringErr:
    case VhostUserRequest::kSetBackendReqFd:
    case VhostUserRequest::kSetDeviceStateFd:
    case VhostUserRequest::kSetInflightFd:
      return 1;
    default:
      return 0;
  }
}

std::vector<uint8_t> Bytes(FuzzInput& input) {
  const absl::Span<const uint8_t> bytes = input.Bytes(input.U8());
  return {bytes.begin(), bytes.end()};
}

constexpr size_t kFirstRequests = 25;

// The requests whose steps have the numbers from 0 on.
const std::vector<uint32_t>& FirstRequests() {
  static const auto& requests = *new std::vector<uint32_t>([] {
    std::vector<uint32_t> first;
    for (const VhostUserRow& row : VhostUserFrontendTable()) {
      const bool is_log = row.request == static_cast<uint32_t>(VhostUserRequest::kSetLogBase) ||
                          row.request == static_cast<uint32_t>(VhostUserRequest::kSetLogFd);
      constexpr uint64_t kLater = kVhostUserInflightShmfd | kVhostUserStatus;
      if ((row.protocol_feature & kLater) == 0 && !is_log) first.push_back(row.request);
    }
    CHECK(first.size() == kFirstRequests);
    return first;
  }());
  return requests;
}

class Attack {
 public:
  explicit Attack(FuzzInput& input)
      : input_(input),
        device_(loop_),
        backend_(
            device_, peer_.TakeOther(), loop_, [](const absl::Status&) {},
            VhostUserBackend::Options{.takes_over = true}) {
    Host().Grow();
    Host().GrowLog();
    memory_ = GuestMemory::MapFiles({{{.start = GuestAddress{0},
                                       .size = kMemory,
                                       .file_offset = 0,
                                       .fd = Host().file.get()}}})
                  .value();
    CHECK(memory_.Fill(GuestAddress{0}, kMemory, 0).ok());
  }

  void Run() {
    for (int i = 0; i < kMostSteps && !input_.empty(); ++i) {
      Step();
      loop_.RunReady();
      while (std::optional<VhostUserMessage> reply = peer_.Receive()) {
        if (!reply->fds.empty()) inflight_ = std::move(reply->fds[0]);
      }
    }
    peer_.Close();
    loop_.RunReady();
  }

 private:
  void Step() {
    const uint8_t what = input_.U8() % 37;
    if (what < kFirstRequests) return SendRequest(FirstRequests()[what]);
    switch (what) {
      case 30:
        return SendRequest(static_cast<uint32_t>(VhostUserRequest::kGetInflightFd));
      case 31:
        return SendRequest(static_cast<uint32_t>(VhostUserRequest::kSetInflightFd));
      case 32:
        return SendRequest(static_cast<uint32_t>(VhostUserRequest::kSetLogBase));
      case 33:
        return SendRequest(static_cast<uint32_t>(VhostUserRequest::kSetLogFd));
      case 35:
        return SendRequest(static_cast<uint32_t>(VhostUserRequest::kSetStatus));
      case 36:
        return SendRequest(static_cast<uint32_t>(VhostUserRequest::kGetStatus));
      case 34:
        if ((log_cut_ = !log_cut_)) {
          CHECK(ftruncate(Host().log.get(), 0) == 0);
        } else {
          Host().GrowLog();
        }
        return;
      case 25:
        peer_.SendBytes(Bytes(input_));
        return;
      case 26:
        Host().kick.Signal();
        return;
      case 27: {
        const GuestAddress place{input_.U16()};
        memory_.WriteObject(place, Le64(input_.U64())).IgnoreError();
        return;
      }
      case 28:
        if ((cut_ = !cut_)) {
          CHECK(ftruncate(Host().file.get(), kRing) == 0);
        } else {
          Host().Grow();
        }
        return;
      default:
        device_.AnswerOldest();
    }
  }

  // A descriptor that makes the request succeed, or another.
  [[nodiscard]] int Descriptor(VhostUserRequest request, uint8_t which) const {
    const bool inflight = request == VhostUserRequest::kSetInflightFd && inflight_.valid();
    return inflight && which < 4 ? inflight_.get() : DescriptorFor(request, which);
  }

  void SendRequest(uint32_t number) {
    const auto request = static_cast<VhostUserRequest>(number);
    const uint8_t how = input_.U8();
    const uint8_t which = how >> 5;
    std::vector<uint8_t> payload = (how & 4) != 0 ? Bytes(input_) : Payload(request, which);
    if ((how & 2) != 0 && !payload.empty()) {
      const size_t place = input_.U8() % payload.size();
      payload[place] = input_.U8();
    }
    const size_t count = (DescriptorsOf(request) + ((how >> 3) & 3)) % 4;
    peer_.SendMessage(number, kVhostUserVersion | ((how & 1) != 0 ? kVhostUserNeedReply : 0),
                      payload, std::vector<int>(count, Descriptor(request, which)));
  }

  FuzzInput& input_;
  ManualLoop loop_;
  RawVhostUserPeer peer_;
  EchoDevice device_;
  VhostUserBackend backend_;
  GuestMemory memory_;
  ScopedFd inflight_;
  bool cut_ = false;
  bool log_cut_ = false;
};

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace touchstone;  // NOLINT
  Host();
  FirstRequests();
  const int before = CountOpenFds();
  FuzzInput input(data, size);
  Attack(input).Run();
  CHECK(CountOpenFds() == before);
  return 0;
}
