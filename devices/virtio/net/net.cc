#include "devices/virtio/net/net.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/net/net_state.pb.h"

namespace touchstone {
namespace {

constexpr uint32_t kStateVersion = 1;

std::string Joined(const std::vector<MacAddress>& addresses) {
  std::string bytes;
  for (const MacAddress& address : addresses) bytes.append(address.begin(), address.end());
  return bytes;
}

// Nothing when `bytes` is no table.
std::optional<std::vector<MacAddress>> Separated(absl::string_view bytes) {
  constexpr size_t kSize = sizeof(MacAddress);
  if (bytes.size() % kSize != 0 || bytes.size() > kSize * ReceiveFilter::kMaxTable) {
    return std::nullopt;
  }
  std::vector<MacAddress> addresses(bytes.size() / kSize);
  for (size_t i = 0; i < addresses.size(); ++i) {
    memcpy(addresses[i].data(), bytes.data() + i * kSize, kSize);
  }
  return addresses;
}

NetState Describe(const ReceiveFilter& filter, size_t active_pairs,
                  const std::optional<uint64_t>& guest_offloads) {
  NetState state;
  state.set_version(kStateVersion);
  state.set_promiscuous(filter.promiscuous);
  state.set_all_multicast(filter.all_multicast);
  if (filter.mac.has_value()) state.set_mac(filter.mac->data(), filter.mac->size());
  state.set_unicast(Joined(filter.unicast));
  state.set_multicast(Joined(filter.multicast));
  state.set_unicast_overflow(filter.unicast_overflow);
  state.set_multicast_overflow(filter.multicast_overflow);
  state.set_active_pairs(static_cast<uint32_t>(active_pairs));
  if (guest_offloads.has_value()) state.set_guest_offloads(*guest_offloads);
  return state;
}

absl::Status BadState(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("state of a network device: ", what));
}

}  // namespace

QueueDevice::Traits Net::TraitsOf(const NetBackend& backend, const Options& options) {
  uint64_t features =
      backend.offloads() | kNetStatus | kNetControlQueue | kNetControlReceive | kNetControlMac;
  if ((backend.offloads() & kNetGuestOffloadBits) != 0) features |= kNetGuestOffloads;
  if (options.mergeable) features |= kNetMergeable;
  if (options.mac.has_value()) features |= kNetMac;
  if (options.packed) features |= kVirtioPackedRing;
  if (backend.pairs() > 1) features |= kNetMultiqueue;
  if (backend.mtu().value_or(0) >= kNetMinMtu) features |= kNetMtu;
  return {.device_id = kDeviceId,
          .queue_sizes = std::vector<uint16_t>(2 * backend.pairs() + 1, kQueueSize),
          .features = features};
}

Net::Net(std::unique_ptr<NetBackend> backend, Options options, EventLoop& loop)
    : QueueDevice(TraitsOf(*backend, options), loop),
      options_(options),
      backend_(std::move(backend)),
      mac_(options.mac) {
  CHECK(backend_->pairs() > 0 && backend_->pairs() <= kNetMaxPairs);
  filter_.mac = options_.mac;
  receivers_.reserve(backend_->pairs());
  transmitters_.reserve(backend_->pairs());
  for (size_t pair = 0; pair < backend_->pairs(); ++pair) {
    const auto receive = static_cast<uint16_t>(2 * pair);
    const auto transmit = static_cast<uint16_t>(2 * pair + 1);
    NetPort& port = backend_->port(pair);
    const auto gone = [this] { LinkGone(); };
    receivers_.push_back(std::make_unique<NetReceiver>(
        port, loop, filter_, [this, receive] { Flush(receive); }, gone));
    transmitters_.push_back(std::make_unique<NetTransmitter>(
        port, loop, options_.transmit_wait, [this, transmit] { Resume(transmit); }, gone));
  }
  backend_->WatchReturn([this] { LinkReturned(); });
}

Net::~Net() { backend_->WatchReturn(nullptr); }

void Net::ReadConfig(uint32_t offset, absl::Span<uint8_t> data) {
  NetConfigLayout config = {};
  {
    MutexLock lock(mutex_);
    config.mac = mac_.value_or(MacAddress{});
    config.status = link_up_ ? kNetLinkUp : uint16_t{0};
  }
  config.max_pairs = static_cast<uint16_t>(backend_->pairs());
  config.mtu = backend_->mtu().value_or(0);
  if (offset >= sizeof(config)) return;
  memcpy(data.data(), reinterpret_cast<const uint8_t*>(&config) + offset,
         std::min<size_t>(data.size(), sizeof(config) - offset));
}

void Net::LinkGone() {
  {
    MutexLock lock(mutex_);
    if (!std::exchange(link_up_, false)) return;
  }
  LOG(kWarning, "net", "the network has gone: the guest's link is down");
  SignalConfig();  // Virtio 1.2, 5.1.4.2: the status changes.
}

void Net::LinkReturned() {
  // What waits, waits for the old descriptors.
  for (const auto& receiver : receivers_) receiver->Stop();
  for (const auto& transmitter : transmitters_) transmitter->Stop();
  {
    MutexLock lock(mutex_);
    link_up_ = true;
  }
  LOG(kInfo, "net", "the network is there again: the guest's link is up");
  SignalConfig();
  for (size_t queue = 0; queue < 2 * backend_->pairs(); ++queue) {
    Resume(static_cast<uint16_t>(queue));
  }
}

// Virtio 1.2, 5.1.2: without MQ there is one pair, and the control queue follows it.
Net::Role Net::RoleOf(uint16_t queue) const {
  const size_t pairs = (driver().features & kNetMultiqueue) != 0 ? backend_->pairs() : 1;
  if (queue == 2 * pairs) {
    return (driver().features & kNetControlQueue) != 0 ? Role::kControl : Role::kNone;
  }
  if (queue > 2 * pairs) return Role::kNone;
  return queue % 2 == 0 ? Role::kReceive : Role::kTransmit;
}

uint64_t Net::GuestOffloads() const {
  return guest_offloads_.value_or(driver().features & kNetGuestOffloadBits);
}

void Net::Apply() {
  if (std::exchange(applied_, true)) return;
  absl::Status status = backend_->SetActivePairs(active_pairs_);
  if (status.ok()) status = backend_->SetGuestOffloads(GuestOffloads());
  if (!status.ok()) LOG(kError, "net", "%s", std::string(status.message()));
}

void Net::OnKick(uint16_t index, VirtQueue& queue) {
  Apply();
  switch (RoleOf(index)) {
    case Role::kReceive:
      // Virtio 1.2, 5.1.6.5.5: nothing is received on pairs that are not active.
      if (index / 2u >= active_pairs_) return;
      receivers_[index / 2]->Start(queue, (driver().features & kNetMergeable) != 0);
      return receivers_[index / 2]->OnKick();
    case Role::kTransmit:
    case Role::kControl:
      return QueueDevice::OnKick(index, queue);
    case Role::kNone:
      return;
  }
}

bool Net::Accepts(uint16_t queue) {
  return RoleOf(queue) != Role::kTransmit || !transmitters_[queue / 2]->blocked();
}

bool Net::LooksAgain(uint16_t queue, int served) {
  return RoleOf(queue) == Role::kTransmit && transmitters_[queue / 2]->LooksAgain(served);
}

void Net::Handle(uint16_t queue, ReadableChain chain) {
  if (RoleOf(queue) == Role::kControl) return control_.Handle(std::move(chain), driver().features);
  // Virtio 1.2, 5.1.6.5.5.1: the driver does not transmit on pairs that are not active.
  if (queue / 2u >= active_pairs_) return std::move(chain).Complete();
  transmitters_[queue / 2]->Send(std::move(chain));
}

void Net::Drain(uint16_t queue) {
  const Role role = RoleOf(queue);
  if (role == Role::kReceive) receivers_[queue / 2]->Stop();
  if (role == Role::kTransmit) transmitters_[queue / 2]->Stop();
}

void Net::OnReset() {
  filter_ = {.mac = options_.mac};
  active_pairs_ = 1;
  guest_offloads_.reset();
  applied_ = false;
  MutexLock lock(mutex_);
  mac_ = options_.mac;
}

void Net::SetMac(const MacAddress& mac) {
  filter_.mac = mac;
  MutexLock lock(mutex_);
  mac_ = mac;
}

bool Net::SetPairs(uint16_t pairs) {
  // Virtio 1.2, 5.1.6.5.5.2: 1 to the number in the configuration.
  if (pairs == 0 || pairs > backend_->pairs()) return false;
  const size_t before = active_pairs_;
  for (size_t pair = pairs; pair < before; ++pair) {
    receivers_[pair]->Stop();
    transmitters_[pair]->Stop();
  }
  if (absl::Status status = backend_->SetActivePairs(pairs); !status.ok()) {
    LOG(kError, "net", "%s", std::string(status.message()));
    return false;
  }
  active_pairs_ = pairs;
  for (size_t pair = 0; pair < active_pairs_; ++pair) Resume(static_cast<uint16_t>(2 * pair));
  return true;
}

bool Net::SetGuestOffloads(uint64_t offloads) {
  if (absl::Status status = backend_->SetGuestOffloads(offloads); !status.ok()) {
    LOG(kError, "net", "%s", std::string(status.message()));
    return false;
  }
  guest_offloads_ = offloads;
  return true;
}

absl::StatusOr<std::string> Net::Save() {
  return Describe(filter_, active_pairs_, guest_offloads_).SerializeAsString();
}

absl::Status Net::Restore(absl::string_view bytes) {
  NetState state;
  if (!state.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return BadState("not readable");
  }
  if (state.version() != kStateVersion) {
    return BadState(absl::StrCat("version ", state.version(), " is not known"));
  }
  std::optional<std::vector<MacAddress>> unicast = Separated(state.unicast());
  std::optional<std::vector<MacAddress>> multicast = Separated(state.multicast());
  if (!unicast.has_value() || !multicast.has_value()) return BadState("a table of addresses");
  if (state.has_mac() && state.mac().size() != sizeof(MacAddress)) return BadState("the address");
  if (state.active_pairs() == 0 || state.active_pairs() > backend_->pairs()) {
    return BadState(absl::StrCat(state.active_pairs(), " pairs of queues of ", backend_->pairs()));
  }
  if ((state.guest_offloads() & ~(backend_->offloads() & kNetGuestOffloadBits)) != 0) {
    return BadState("offloads that the backend lacks");
  }
  ReceiveFilter filter = {.promiscuous = state.promiscuous(),
                          .all_multicast = state.all_multicast(),
                          .unicast = *std::move(unicast),
                          .multicast = *std::move(multicast),
                          .unicast_overflow = state.unicast_overflow(),
                          .multicast_overflow = state.multicast_overflow()};
  if (state.has_mac()) {
    filter.mac.emplace();
    memcpy(filter.mac->data(), state.mac().data(), filter.mac->size());
  }
  std::optional<uint64_t> guest_offloads;
  if (state.has_guest_offloads()) guest_offloads = state.guest_offloads();
  // Fields that are missing, or that nobody knows.
  if (Describe(filter, state.active_pairs(), guest_offloads).SerializeAsString() != bytes) {
    return BadState("not as it was saved");
  }
  filter_ = std::move(filter);
  active_pairs_ = state.active_pairs();
  guest_offloads_ = guest_offloads;
  applied_ = false;
  MutexLock lock(mutex_);
  mac_ = filter_.mac;
  return absl::OkStatus();
}

}  // namespace touchstone
