// All connections of one guest: finds the one a packet belongs to, opens and ends them, and decides
// which one fills the guest's next buffer.
//
//   VsockMuxer muxer({.guest_cid = 3}, loop, host, [] { /* the guest's buffers are wanted */ });
//   muxer.Receive(chain);                          // A packet of the guest.
//   if (muxer.WantsToSend()) muxer.Fill(buffer);   // One for the guest.
//
// Connections take turns, a packet each. Everything is bounded: connections, the bytes that all of
// them hold for the host, resets that the guest has not taken. While it takes none, MayReceive says
// that its packets have to wait (Virtio 1.2, 5.10.6.1).
//
// The guest's mistakes are answered with RST, or dropped when no answer could reach its sender, and
// counted.
//
// Threads: thread-compatible; everything on the loop's thread, but for Clear.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VSOCK_MUXER_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VSOCK_MUXER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "base/event/event_loop.h"
#include "devices/virtio/core/chain.h"
#include "devices/virtio/vsock/connection.h"
#include "devices/virtio/vsock/packet.h"
#include "devices/virtio/vsock/stream.h"

namespace touchstone {

class VsockMuxer final : public VsockStreamSink, public VsockAcceptor {
 public:
  struct Stats {
    uint64_t malformed = 0;  // Packets that were no packets of this guest's, and were dropped.
    uint64_t refused = 0;    // Connections that nobody listens for, or that are one too many.
    uint64_t resets = 0;     // RST that were put on their way.
    uint64_t unusable_buffers = 0;
    uint64_t timeouts = 0;
  };

  struct Options {
    uint64_t guest_cid = 0;
  };

  static constexpr size_t kMaxConnections = 4096;
  // Connections that the host asked for and the guest has not answered.
  static constexpr size_t kMaxRequested = 128;
  // Beyond so many untaken resets the guest's packets wait.
  static constexpr size_t kMaxResets = 256;
  // What the guest may send ahead of the host: as much as Linux, while all connections together
  // have not used up kExtraBuffers, else the least.
  static constexpr uint32_t kBufferSize = 256 * 1024;
  static constexpr uint32_t kMinBufferSize = 16 * 1024;
  static constexpr uint64_t kExtraBuffers = 64 << 20;
  // kMaxConnections * kMinBufferSize + kExtraBuffers = 128 MiB are held at most.

  static constexpr absl::Duration kRequestTimeout = absl::Seconds(10);
  // As Linux waits for the RST that ends a shut-down connection.
  static constexpr absl::Duration kCloseTimeout = absl::Seconds(8);
  // A listener with a full backlog is asked again.
  static constexpr absl::Duration kRetryInterval = absl::Milliseconds(20);
  static constexpr int kMaxTries = 50;

  // The connections of a driver that is gone.
  using Remains = std::vector<std::shared_ptr<void>>;

  // `wake` is called when WantsToSend may have become true, or MayReceive true again. Borrows loop
  // and host, which have to outlive it.
  VsockMuxer(Options options, EventLoop& loop, VsockHost& host, absl::AnyInvocable<void()> wake);

  // The driver can take connections from now on, until Clear.
  void SetReady();

  // Whether a packet of the guest can be taken.
  [[nodiscard]] bool MayReceive() const { return resets_.size() < kMaxResets; }
  // A packet of the guest. REQUIRES: MayReceive.
  void Receive(ReadableChain& chain);

  [[nodiscard]] bool WantsToSend() const { return !resets_.empty() || !senders_.empty(); }
  // Puts the next packet into `buffer`. False when there was none after all, and the buffer is as
  // it was; true when it is to be returned, empty if it is of no use.
  bool Fill(WritableChain& buffer);

  // Forgets the driver. On any thread; the caller destroys what it gets without a lock that
  // callbacks of the loop take.
  [[nodiscard]] Remains Clear();

  // From the host.
  void StreamReadable(uint64_t id) override;
  void StreamWritable(uint64_t id) override;
  void HostConnects(uint32_t guest_port, std::unique_ptr<VsockStream> stream) override;

  [[nodiscard]] size_t connections() const { return entries_.size(); }
  [[nodiscard]] const Stats& stats() const { return stats_; }
  // Whether a guest without its connections has something to miss.
  [[nodiscard]] bool HasState() const { return !entries_.empty() || !resets_.empty(); }

 private:
  using Ports = VsockConnection::Ports;

  struct Entry {
    explicit Entry(uint64_t id, VsockConnection connection)
        : id(id), connection(std::move(connection)) {}

    const uint64_t id;
    VsockConnection connection;
    int tries = 0;           // To open the stream.
    bool requested = false;  // Counted as such.
    bool closing = false;    // The timer is that of closing.
    std::optional<std::list<uint64_t>::iterator> sender;
    Watch timer;
  };

  // Where an RST goes: what is said to have come from `host_cid`.
  struct Reset {
    Ports ports;
    uint64_t host_cid = kVsockHostCid;
    uint16_t type = kVsockTypeStream;
  };

  static uint64_t KeyOf(Ports ports) { return uint64_t{ports.host} << 32 | ports.guest; }
  [[nodiscard]] VsockHeader HeaderTo(const Reset& to) const;
  Entry* Find(uint64_t id);
  Entry& Add(VsockConnection connection);
  // Does what is to be done with a connection after something happened to it.
  void Settle(Entry& entry, VsockConnection::Fate fate);
  void Forget(Entry& entry);
  void SendReset(const Reset& reset);
  // Puts the connection where it belongs: among those that want to send, or not.
  void Enlist(Entry& entry);
  void Delist(Entry& entry);
  void FillReset(WritableChain& buffer);
  void UpdateAccepting();

  void GuestConnects(Ports ports, const VsockHeader& header);
  void TryToOpen(Entry& entry);
  void RequestTimedOut(uint64_t id);
  void CloseTimedOut(uint64_t id);
  void WatchClosing(Entry& entry);

  uint32_t TakeBufferSize();
  Ports FreePorts(uint32_t guest_port);

  const Options options_;
  EventLoop& loop_;
  VsockHost& host_;
  absl::AnyInvocable<void()> wake_;

  bool ready_ = false;
  absl::flat_hash_map<uint64_t, std::shared_ptr<Entry>> entries_;  // By id.
  absl::flat_hash_map<uint64_t, uint64_t> ids_;  // By KeyOf; not of lingering ones.
  std::list<uint64_t> senders_;                  // Ids, in turn.
  std::deque<Reset> resets_;
  uint64_t next_id_ = 1;
  uint32_t next_port_ = kFirstHostPort;
  size_t requested_ = 0;
  bool accepting_ = false;
  uint64_t extra_buffers_ = 0;
  Stats stats_;

  // Host ports of connections that the host asks for: no port that a program listens at.
  static constexpr uint32_t kFirstHostPort = 1U << 30;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VSOCK_MUXER_H_
