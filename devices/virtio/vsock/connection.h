// One connection between a socket of the guest and a stream of the host: credit in both directions,
// half-close, and what is to be said to the guest next.
//
// Bytes for the guest stay in the host's stream until a packet can carry them. Bytes for the host
// that it does not take at once wait in a buffer, whose size is what the guest is told it may send
// (Virtio 1.2, 5.10.6.3).
//
//   kOpening ---Opened---> kEstablished ---guest resets, bytes are left---> kLingering
//   kRequested --response-----^
//
// Every call says what became of the connection; the caller (VsockMuxer) ends it.
// Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VSOCK_CONNECTION_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VSOCK_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "devices/virtio/core/chain.h"
#include "devices/virtio/vsock/byte_ring.h"
#include "devices/virtio/vsock/packet.h"
#include "devices/virtio/vsock/stream.h"

namespace touchstone {

class VsockConnection {
 public:
  struct Ports {
    uint32_t host = 0;
    uint32_t guest = 0;

    friend bool operator==(const Ports&, const Ports&) = default;
  };

  enum class State {
    kOpening,      // The guest asked, there is no stream yet.
    kRequested,    // The host asked, the guest has not answered.
    kEstablished,  // Both can send, unless they said that they will not.
    kLingering,    // Gone for the guest; the host still gets what was sent before.
  };

  enum class Fate {
    kLives,
    kReset,   // Ends; the guest has to be told with RST.
    kOver,    // Ends, and the guest knows.
    kLinger,  // Is lingering now: the ports are free.
  };

  enum class Filled {
    kPacket,    // The buffer holds a packet.
    kNothing,   // Nothing to say; the buffer is as it was.
    kUnusable,  // The buffer is too small, or no memory of the guest's.
    kReset,     // The connection ends with RST.
  };

  // The most payload of a packet to the guest.
  static constexpr uint32_t kMaxPayload = 64 * 1024;

  // The guest asked for it; Opened follows.
  VsockConnection(Ports ports, uint32_t buffer_size)
      : ports_(ports), buffer_size_(buffer_size), buffer_(buffer_size) {}
  // The host asked for it.
  VsockConnection(Ports ports, uint32_t buffer_size, std::unique_ptr<VsockStream> stream)
      : VsockConnection(ports, buffer_size) {
    state_ = State::kRequested;
    pending_ = kSayRequest;
    stream_ = std::move(stream);
  }

  // Before another thread than the loop's destroys the connection.
  void Unbind() {
    if (stream_ != nullptr) stream_->Unbind();
  }

  // The host's side is there. `stream` is bound to its sink.
  void Opened(std::unique_ptr<VsockStream> stream);

  // What every packet of the guest tells: its room (Virtio 1.2, 5.10.6.3).
  void TakeCredit(const VsockHeader& header);

  // A packet of the guest; the payload is next in `chain`.
  Fate Receive(const VsockHeader& header, ReadableChain& chain);

  // Something has become possible on the stream.
  Fate StreamReadable();
  Fate StreamWritable();

  [[nodiscard]] bool WantsToSend() const {
    return state_ != State::kLingering && (pending_ != 0 || CanRead());
  }
  // Puts the next packet into `buffer`; `header` has the addresses. REQUIRES: there is room for a
  // header.
  Filled Fill(VsockHeader header, WritableChain& buffer);
  // Has the stream say when there is more to read. Call when nothing is to be sent.
  void Watch();

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] Ports ports() const { return ports_; }
  [[nodiscard]] uint32_t buffer_size() const { return buffer_size_; }
  [[nodiscard]] const ByteRing& buffer() const { return buffer_; }
  // Whether the guest has heard of a connection that the host asked for.
  [[nodiscard]] bool announced() const { return (pending_ & kSayRequest) == 0; }
  // Whether the guest was told that nothing more will come or be taken: it has to answer with RST.
  [[nodiscard]] bool AwaitsReset() const {
    return said_shutdown_ == kVsockNothing && (pending_ & kSayShutdown) == 0;
  }

 private:
  // What is to be said, in this order; data comes after the second.
  static constexpr uint8_t kSayRequest = 1 << 0;
  static constexpr uint8_t kSayResponse = 1 << 1;
  static constexpr uint8_t kSayShutdown = 1 << 2;
  static constexpr uint8_t kSayCreditUpdate = 1 << 3;
  static constexpr uint8_t kSayCreditRequest = 1 << 4;

  Fate ReceiveData(const VsockHeader& header, ReadableChain& chain);
  Fate ReceiveShutdown(uint32_t flags);
  Fate ReceiveReset();

  // Bytes that the guest has room for.
  [[nodiscard]] uint32_t Credit() const;
  // Whether the stream may have bytes that can be sent.
  [[nodiscard]] bool CanRead() const { return readable_ && !read_done_ && Credit() > 0; }
  void AskForCredit();
  Filled FillData(VsockHeader header, WritableChain& buffer);
  Filled Say(VsockOp op, uint32_t flags, VsockHeader header, WritableChain& buffer);
  // The credit that every packet tells of.
  void TellCredit(VsockHeader& header);

  void WriteBuffered();
  // The host has taken, or will never take, so many bytes of the guest's.
  void Delivered(size_t size);
  void HostTakesNoMore();
  void SayShutdown(uint32_t flags);
  // What follows when the buffer may have become empty.
  Fate AfterWriting();

  const Ports ports_;
  const uint32_t buffer_size_;
  State state_ = State::kOpening;
  std::unique_ptr<VsockStream> stream_;

  // To the guest.
  uint8_t pending_ = 0;
  bool readable_ = false;   // The stream said so, and has not been read empty since.
  bool read_done_ = false;  // Nothing more is to be read.
  bool asked_for_credit_ = false;
  uint32_t said_shutdown_ = 0;
  // Counters of bytes wrap.
  uint32_t sent_ = 0;
  uint32_t guest_buf_alloc_ = 0;
  uint32_t guest_fwd_cnt_ = 0;

  // From the guest.
  ByteRing buffer_;
  bool write_done_ = false;      // The stream takes no more.
  uint32_t guest_shutdown_ = 0;  // What it said that it will not do any more.
  uint32_t received_ = 0;
  uint32_t forwarded_ = 0;
  uint32_t told_forwarded_ = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VSOCK_CONNECTION_H_
