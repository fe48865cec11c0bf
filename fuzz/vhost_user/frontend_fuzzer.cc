// Hostile vhost-user back ends: whatever they answer, the front end lives, loses no descriptor, and
// never waits for more than its patience.
//
// The input decides each time the front end waits, by a byte: 0-2 the request is answered well; 3,
// with two bytes (place, value) of the reply changed; 4, with a byte of length and bytes as they
// are; 5, with a descriptor; 6, on the back end's own channel, bytes; 7, the back end goes; else it
// is silent. Between the answers a byte says what the driver does. The first byte says whether the
// number of queues is asked for (1), the requests of a back end that goes are for the next one (2),
// and there is a next one (4).

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/event/manual_loop.h"
#include "base/event_fd.h"
#include "base/log.h"
#include "base/memory/guest_memory.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/recording_interrupt.h"
#include "devices/virtio/vhost_user/frontend.h"
#include "devices/virtio/vhost_user/raw_peer.h"
#include "fuzz/support/fuzz_input.h"

namespace touchstone {
namespace {

constexpr int kMostSteps = 100;
constexpr uint16_t kQueues = 2;
constexpr QueueLayout kLayout = {.size = 8,
                                 .descriptors = GuestAddress{0x1000},
                                 .driver = GuestAddress{0x2000},
                                 .device = GuestAddress{0x3000}};

struct Resources {
  Resources() { CHECK(SetLogLevels("off").ok()); }

  const GuestMemory memory =
      GuestMemory::Create({{GuestAddress{0}, 64 << 10}}, {.backing = GuestMemory::Backing::kMemfd})
          .value();
  const std::shared_ptr<const EventFd> kick =
      std::make_shared<const EventFd>(EventFd::Create().value());
};

const Resources& Host() {
  static const auto& host = *new Resources;
  return host;
}

class BackEnd final : public VhostUserWaiter {
 public:
  BackEnd(FuzzInput& input, std::unique_ptr<RawVhostUserPeer>& peer) : input_(input), peer_(peer) {}

  void Begin() override {}

  bool Wait(int /*fd*/, bool /*writable*/) override {
    while (std::optional<VhostUserMessage> message = peer_->Receive()) Note(*std::move(message));
    if (input_.empty() || !last_.has_value()) return false;
    switch (input_.U8() % 9) {
      case 0:
      case 1:
      case 2:
        return Reply(GoodReply());
      case 3: {
        std::vector<uint8_t> reply = GoodReply();
        const size_t place = input_.U8() % std::max<size_t>(reply.size(), 1);
        const uint8_t value = input_.U8();
        if (!reply.empty()) reply[place] = value;
        return Reply(reply);
      }
      case 4:
        return peer_->SendBytes(input_.Bytes(input_.U8()));
      case 5:
        return Reply(GoodReply(), {Host().kick->fd()});
      case 6:
        if (channel_.valid()) channel_.Send(input_.Bytes(input_.U8())).IgnoreError();
        return true;
      case 7:
        peer_->Close();
        return true;
      default:
        return false;
    }
  }

 private:
  void Note(VhostUserMessage message) {
    const bool is_channel =
        message.request == static_cast<uint32_t>(VhostUserRequest::kSetBackendReqFd);
    if (is_channel && !message.fds.empty()) channel_ = FdSocket(std::move(message.fds[0]));
    message.fds.clear();
    last_ = std::move(message);
  }

  std::vector<uint8_t> GoodReply() {
    switch (static_cast<VhostUserRequest>(last_->request)) {
      case VhostUserRequest::kGetFeatures:
        return VhostUserPayload(
            Le64(kVirtioVersion1 | kVhostUserProtocolFeatures | kVhostUserLogAll));
      case VhostUserRequest::kGetProtocolFeatures:
        return VhostUserPayload(Le64(~uint64_t{0}));
      case VhostUserRequest::kGetQueueNum:
        return VhostUserPayload(Le64(uint64_t{kQueues}));
      case VhostUserRequest::kSetDeviceStateFd:
        return VhostUserPayload(Le64(kVhostUserNoFd));
      case VhostUserRequest::kGetInflightFd:
        return VhostUserPayload(VhostUserInflight{.mmap_size = uint64_t{4096},
                                                  .mmap_offset = uint64_t{0},
                                                  .queues = kQueues,
                                                  .queue_size = uint16_t{8}});
      case VhostUserRequest::kGetVringBase:
      case VhostUserRequest::kGetConfig:
        return last_->payload;
      default:
        return VhostUserPayload(Le64(uint64_t{0}));
    }
  }

  bool Reply(const std::vector<uint8_t>& payload, std::vector<int> fds = {}) {
    if (last_->request == static_cast<uint32_t>(VhostUserRequest::kGetInflightFd) && fds.empty()) {
      fds.push_back(Host().memory.regions()[0].fd);
    }
    return peer_->SendMessage(last_->request, kVhostUserVersion | kVhostUserReply, payload, fds);
  }

  FuzzInput& input_;
  std::unique_ptr<RawVhostUserPeer>& peer_;
  std::optional<VhostUserMessage> last_;
  FdSocket channel_{ScopedFd()};
};

class Driver {
 public:
  explicit Driver(FuzzInput& input) : input_(input) {}

  void Run() {
    const uint8_t how = input_.U8();
    std::function<absl::StatusOr<ScopedFd>()> connect = nullptr;
    if ((how & 4) != 0) connect = [this] { return Connect(); };
    absl::StatusOr<std::unique_ptr<VhostUserFrontend>> frontend =
        VhostUserFrontend::Create(peer_->TakeOther(), loop_,
                                  {.device_id = 2,
                                   .queue_sizes = std::vector<uint16_t>(kQueues, 64),
                                   .ask_queue_count = (how & 1) != 0,
                                   .config_size = 16,
                                   .waiter = std::make_unique<BackEnd>(input_, peer_),
                                   .connect = std::move(connect),
                                   .replays = (how & 2) != 0});
    if (!frontend.ok()) return;
    for (int i = 0; i < kMostSteps && !input_.empty(); ++i) {
      Step(**frontend);
      loop_.RunReady();
    }
    (*frontend)->Reset();
  }

 private:
  absl::StatusOr<ScopedFd> Connect() {
    if (input_.empty()) return absl::UnavailableError("nobody is left");
    peer_ = std::make_unique<RawVhostUserPeer>();
    return peer_->TakeOther();
  }

  void Step(VhostUserFrontend& device) {
    uint8_t bytes[8] = {};
    const uint8_t what = input_.U8() % 10;
    const uint16_t index = what & 1;
    switch (what) {
      case 0:
        return device.ReadConfig(input_.U8(), absl::MakeSpan(bytes));
      case 1:
        return device.WriteConfig(input_.U8(), bytes);
      case 2:
      case 3:
        return Start(device, index);
      case 4:
      case 5:
        running_[index] = false;
        return device.StopQueue(index).status().IgnoreError();
      case 6:
        device.Save().status().IgnoreError();
        return device.Restore("state").IgnoreError();
      case 7:
        peer_->Receive().reset();
        loop_.Advance(absl::Seconds(1));
        return;
      case 9:
        return Log(device);
      default:
        device.Reset();
        running_[0] = running_[1] = attached_ = false;
    }
  }

  void Log(VhostUserFrontend& device) {
    device.TakeDirtyLog().status().IgnoreError();
    logs_ = !logs_ && device.StartDirtyLog(Host().memory).ok();
    if (!logs_) device.StopDirtyLog().IgnoreError();
  }

  void Start(VhostUserFrontend& device, uint16_t index) {
    if (index >= device.max_queue_sizes().size()) return;
    if (!attached_) {
      attached_ = device
                      .Attach({.features = device.features() & kVirtioVersion1,
                               .memory = Host().memory,
                               .interrupt = &interrupt_})
                      .ok();
    }
    if (!attached_ || running_[index]) return;
    VirtQueue queue =
        VirtQueue::Create(Host().memory, {.layout = kLayout, .kick = Host().kick}).value();
    running_[index] = device.StartQueue(index, std::move(queue)).ok();
  }

  FuzzInput& input_;
  ManualLoop loop_;
  std::unique_ptr<RawVhostUserPeer> peer_ = std::make_unique<RawVhostUserPeer>();
  RecordingInterrupt interrupt_;
  bool attached_ = false;
  bool logs_ = false;
  bool running_[kQueues] = {};
};

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace touchstone;  // NOLINT
  Host();
  const int before = CountOpenFds();
  FuzzInput input(data, size);
  Driver(input).Run();
  CHECK(CountOpenFds() == before);
  return 0;
}
