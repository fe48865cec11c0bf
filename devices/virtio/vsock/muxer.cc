#include "devices/virtio/vsock/muxer.h"

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/log.h"

namespace touchstone {
namespace {

using Fate = VsockConnection::Fate;
using Filled = VsockConnection::Filled;
using State = VsockConnection::State;

constexpr uint32_t kExtraBuffer = VsockMuxer::kBufferSize - VsockMuxer::kMinBufferSize;

}  // namespace

VsockMuxer::VsockMuxer(Options options, EventLoop& loop, VsockHost& host,
                       absl::AnyInvocable<void()> wake)
    : options_(options), loop_(loop), host_(host), wake_(std::move(wake)) {
  host_.Serve(*this);
}

void VsockMuxer::SetReady() {
  if (ready_) return;
  ready_ = true;
  UpdateAccepting();
}

VsockMuxer::Remains VsockMuxer::Clear() {
  Remains remains;
  remains.reserve(entries_.size());
  for (auto& [id, entry] : entries_) {
    entry->connection.Unbind();
    remains.push_back(std::move(entry));
  }
  entries_.clear();
  ids_.clear();
  senders_.clear();
  resets_.clear();
  requested_ = 0;
  extra_buffers_ = 0;
  ready_ = false;
  UpdateAccepting();
  return remains;
}

// --- From the guest.

void VsockMuxer::Receive(ReadableChain& chain) {
  const absl::StatusOr<VsockHeader> header = chain.ReadObject<VsockHeader>();
  // Virtio 1.2, 5.10.6.4.1: the driver's address is the source. An answer to another one would
  // reach nobody.
  if (!header.ok() || header->src_cid != options_.guest_cid) {
    ++stats_.malformed;
    LOG(kDebug, "vsock", "dropped a packet that has no header or comes from another address");
    return;
  }
  const auto op = static_cast<VsockOp>(header->op.get());
  const Ports ports = {.host = header->dst_port, .guest = header->src_port};
  // Virtio 1.2, 5.10.6.4.2: RST answers an unknown type. The same for an address that nobody has:
  // it spares the guest a timeout.
  if (header->dst_cid != kVsockHostCid || header->type != kVsockTypeStream) {
    if (op == VsockOp::kReset) return;
    ++stats_.refused;
    SendReset({.ports = ports, .host_cid = header->dst_cid, .type = header->type});
    return;
  }
  if (const auto found = ids_.find(KeyOf(ports)); found != ids_.end()) {
    Entry& entry = *Find(found->second);
    Settle(entry, entry.connection.Receive(*header, chain));
  } else if (op == VsockOp::kRequest) {
    GuestConnects(ports, *header);
  } else if (op != VsockOp::kReset) {
    SendReset({.ports = ports});
  }
}

void VsockMuxer::GuestConnects(Ports ports, const VsockHeader& header) {
  if (entries_.size() >= kMaxConnections) {
    ++stats_.refused;
    LOG(kWarning, "vsock", "the guest has %d connections; refused another", kMaxConnections);
    SendReset({.ports = ports});
    return;
  }
  Entry& entry = Add(VsockConnection(ports, TakeBufferSize()));
  entry.connection.TakeCredit(header);
  TryToOpen(entry);
}

void VsockMuxer::TryToOpen(Entry& entry) {
  absl::StatusOr<std::unique_ptr<VsockStream>> stream =
      host_.Connect(entry.connection.ports().host);
  if (stream.ok()) {
    (*stream)->Bind(*this, entry.id);
    entry.connection.Opened(*std::move(stream));
    Settle(entry, Fate::kLives);
    return;
  }
  if (absl::IsUnavailable(stream.status()) && ++entry.tries < kMaxTries) {
    entry.timer = loop_.After(kRetryInterval, [this, id = entry.id] {
      Entry* const found = Find(id);
      if (found != nullptr && found->connection.state() == State::kOpening) TryToOpen(*found);
    });
    return;
  }
  ++stats_.refused;
  LOG(kDebug, "vsock", "port %d: %s", entry.connection.ports().host,
      std::string(stream.status().message()));
  Settle(entry, Fate::kReset);
}

// --- To the guest.

VsockHeader VsockMuxer::HeaderTo(const Reset& to) const {
  return {.src_cid = to.host_cid,
          .dst_cid = options_.guest_cid,
          .src_port = to.ports.host,
          .dst_port = to.ports.guest,
          .type = to.type};
}

bool VsockMuxer::Fill(WritableChain& buffer) {
  if (buffer.writable() < sizeof(VsockHeader)) {
    ++stats_.unusable_buffers;
    return true;
  }
  while (resets_.empty() && !senders_.empty()) {
    Entry& entry = *Find(senders_.front());
    switch (entry.connection.Fill(HeaderTo({.ports = entry.connection.ports()}), buffer)) {
      case Filled::kPacket:
        Delist(entry);
        Settle(entry, Fate::kLives);
        return true;
      case Filled::kNothing:
        Delist(entry);
        Settle(entry, Fate::kLives);
        break;
      case Filled::kUnusable:
        ++stats_.unusable_buffers;
        return true;
      case Filled::kReset:
        Settle(entry, Fate::kReset);
        break;
    }
  }
  if (resets_.empty()) return false;
  FillReset(buffer);
  return true;
}

void VsockMuxer::FillReset(WritableChain& buffer) {
  VsockHeader header = HeaderTo(resets_.front());
  header.op = static_cast<uint16_t>(VsockOp::kReset);
  // A buffer that had room may have been written before it was found to be no memory.
  if (!buffer.WriteObject(header).ok()) {
    ++stats_.unusable_buffers;
    return;
  }
  const bool was_full = !MayReceive();
  resets_.pop_front();
  if (!was_full || !MayReceive()) return;
  UpdateAccepting();
  wake_();
}

void VsockMuxer::SendReset(const Reset& reset) {
  ++stats_.resets;
  resets_.push_back(reset);
  if (!MayReceive()) UpdateAccepting();
  wake_();
}

// --- From the host.

void VsockMuxer::StreamReadable(uint64_t id) {
  Entry* const entry = Find(id);
  if (entry != nullptr) Settle(*entry, entry->connection.StreamReadable());
}

void VsockMuxer::StreamWritable(uint64_t id) {
  Entry* const entry = Find(id);
  if (entry != nullptr) Settle(*entry, entry->connection.StreamWritable());
}

void VsockMuxer::HostConnects(uint32_t guest_port, std::unique_ptr<VsockStream> stream) {
  if (!accepting_) {
    ++stats_.refused;
    return;
  }
  VsockStream& added = *stream;
  Entry& entry = Add(VsockConnection(FreePorts(guest_port), TakeBufferSize(), std::move(stream)));
  added.Bind(*this, entry.id);
  entry.requested = true;
  ++requested_;
  entry.timer = loop_.After(kRequestTimeout, [this, id = entry.id] { RequestTimedOut(id); });
  Settle(entry, Fate::kLives);
  UpdateAccepting();
}

VsockMuxer::Ports VsockMuxer::FreePorts(uint32_t guest_port) {
  Ports ports = {.host = 0, .guest = guest_port};
  do {
    ports.host = next_port_;
    next_port_ = next_port_ == 2 * kFirstHostPort - 1 ? kFirstHostPort : next_port_ + 1;
  } while (ids_.contains(KeyOf(ports)));
  return ports;
}

// --- Timers.

void VsockMuxer::RequestTimedOut(uint64_t id) {
  Entry* const entry = Find(id);
  if (entry == nullptr || entry->connection.state() != State::kRequested) return;
  ++stats_.timeouts;
  Settle(*entry, entry->connection.announced() ? Fate::kReset : Fate::kOver);
}

void VsockMuxer::CloseTimedOut(uint64_t id) {
  Entry* const entry = Find(id);
  if (entry == nullptr || entry->connection.state() != State::kEstablished) return;
  ++stats_.timeouts;
  Settle(*entry, Fate::kReset);
}

// --- Connections.

VsockMuxer::Entry* VsockMuxer::Find(uint64_t id) {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : found->second.get();
}

VsockMuxer::Entry& VsockMuxer::Add(VsockConnection connection) {
  const uint64_t id = next_id_++;
  ids_.emplace(KeyOf(connection.ports()), id);
  Entry& entry =
      *entries_.emplace(id, std::make_shared<Entry>(id, std::move(connection))).first->second;
  UpdateAccepting();
  return entry;
}

void VsockMuxer::Settle(Entry& entry, Fate fate) {
  VsockConnection& connection = entry.connection;
  if (entry.requested && connection.state() != State::kRequested) {
    entry.requested = false;
    --requested_;
    UpdateAccepting();
  }
  switch (fate) {
    case Fate::kLives:
      if (connection.WantsToSend()) {
        Enlist(entry);
      } else {
        Delist(entry);
        connection.Watch();
      }
      WatchClosing(entry);
      break;
    case Fate::kReset:
      SendReset({.ports = connection.ports()});
      Forget(entry);
      break;
    case Fate::kOver:
      Forget(entry);
      break;
    case Fate::kLinger:
      Delist(entry);
      ids_.erase(KeyOf(connection.ports()));
      break;
  }
}

void VsockMuxer::WatchClosing(Entry& entry) {
  if (entry.closing || !entry.connection.AwaitsReset()) return;
  entry.closing = true;
  entry.timer = loop_.After(kCloseTimeout, [this, id = entry.id] { CloseTimedOut(id); });
}

void VsockMuxer::Forget(Entry& entry) {
  Delist(entry);
  if (entry.requested) --requested_;
  if (entry.connection.buffer_size() == kBufferSize) extra_buffers_ -= kExtraBuffer;
  if (entry.connection.state() != State::kLingering) ids_.erase(KeyOf(entry.connection.ports()));
  entries_.erase(entry.id);
  UpdateAccepting();
}

void VsockMuxer::Enlist(Entry& entry) {
  if (entry.sender.has_value()) return;
  entry.sender = senders_.insert(senders_.end(), entry.id);
  wake_();
}

void VsockMuxer::Delist(Entry& entry) {
  if (!entry.sender.has_value()) return;
  senders_.erase(*entry.sender);
  entry.sender.reset();
}

uint32_t VsockMuxer::TakeBufferSize() {
  if (extra_buffers_ + kExtraBuffer > kExtraBuffers) return kMinBufferSize;
  extra_buffers_ += kExtraBuffer;
  return kBufferSize;
}

void VsockMuxer::UpdateAccepting() {
  const bool accepting =
      ready_ && entries_.size() < kMaxConnections && requested_ < kMaxRequested && MayReceive();
  if (accepting == accepting_) return;
  accepting_ = accepting;
  host_.SetAccepting(accepting);
}

}  // namespace touchstone
