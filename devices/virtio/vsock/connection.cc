#include "devices/virtio/vsock/connection.h"

#include <algorithm>
#include <array>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/memory/guest_memory.h"

namespace touchstone {
namespace {

// What lies behind the first `size` bytes.
void DropFront(GuestMemory::SliceList& slices, size_t size) {
  auto first = slices.begin();
  while (size > 0) {
    const size_t piece = std::min(size, first->iov_len);
    first->iov_base = static_cast<uint8_t*>(first->iov_base) + piece;
    first->iov_len -= piece;
    size -= piece;
    if (first->iov_len == 0) ++first;
  }
  slices.erase(slices.begin(), first);
}

}  // namespace

void VsockConnection::Opened(std::unique_ptr<VsockStream> stream) {
  stream_ = std::move(stream);
  state_ = State::kEstablished;
  pending_ |= kSayResponse;
}

// --- From the guest.

void VsockConnection::TakeCredit(const VsockHeader& header) {
  guest_buf_alloc_ = header.buf_alloc;
  guest_fwd_cnt_ = header.fwd_cnt;
  if (Credit() > 0) asked_for_credit_ = false;
  AskForCredit();
}

VsockConnection::Fate VsockConnection::Receive(const VsockHeader& header, ReadableChain& chain) {
  TakeCredit(header);
  const bool established = state_ == State::kEstablished;
  switch (static_cast<VsockOp>(header.op.get())) {
    case VsockOp::kResponse:
      if (state_ != State::kRequested || !announced()) return Fate::kReset;
      if (!stream_->Accepted(ports_.host).ok()) return Fate::kReset;
      state_ = State::kEstablished;
      Watch();
      return Fate::kLives;
    case VsockOp::kReset:
      return ReceiveReset();
    case VsockOp::kShutdown:
      return established ? ReceiveShutdown(header.flags) : Fate::kReset;
    case VsockOp::kReadWrite:
      return established ? ReceiveData(header, chain) : Fate::kReset;
    case VsockOp::kCreditUpdate:
      return Fate::kLives;
    case VsockOp::kCreditRequest:
      if (established) pending_ |= kSayCreditUpdate;
      return Fate::kLives;
    case VsockOp::kRequest:
    case VsockOp::kInvalid:
      break;
  }
  return Fate::kReset;
}

VsockConnection::Fate VsockConnection::ReceiveData(const VsockHeader& header,
                                                   ReadableChain& chain) {
  uint32_t size = header.length;
  const uint32_t held = received_ - forwarded_;
  // Virtio 1.2, 5.10.6.3.1: no payload beyond the room that was told of. One that ends before its
  // length would tear a hole into the stream.
  if (size > chain.readable() || size > buffer_size_ - held) return Fate::kReset;
  if ((guest_shutdown_ & kVsockNoSend) != 0) return Fate::kReset;
  received_ += size;
  if (write_done_ || size == 0) {
    Delivered(size);
    return Fate::kLives;
  }
  if (buffer_.empty()) {
    const absl::StatusOr<GuestMemory::SliceList> slices = chain.Slices(size);
    if (!slices.ok()) return Fate::kReset;
    const VsockStream::Result result = stream_->Write(*slices);
    if (result.kind == VsockStream::Result::Kind::kError) {
      Delivered(size);
      HostTakesNoMore();
      return Fate::kLives;
    }
    Delivered(result.size);
    if (!chain.Skip(result.size).ok()) return Fate::kReset;
    size -= static_cast<uint32_t>(result.size);
  }
  if (size == 0) return Fate::kLives;
  for (const absl::Span<uint8_t> piece : buffer_.Extend(size)) {
    if (!chain.Read(piece).ok()) return Fate::kReset;
  }
  stream_->WatchWritable(true);
  return Fate::kLives;
}

VsockConnection::Fate VsockConnection::ReceiveShutdown(uint32_t flags) {
  // Virtio 1.2, 5.10.6.6: what was said once stays said.
  guest_shutdown_ |= flags & kVsockNothing;
  if ((guest_shutdown_ & kVsockNoReceive) != 0 && !read_done_) {
    read_done_ = true;
    stream_->ShutdownRead();
  }
  return AfterWriting();
}

VsockConnection::Fate VsockConnection::ReceiveReset() {
  // A guest that said that it has sent all and then gives up waiting for a slow reader has not
  // taken back what it sent.
  if (state_ != State::kEstablished || buffer_.empty() || (guest_shutdown_ & kVsockNoSend) == 0) {
    return Fate::kOver;
  }
  state_ = State::kLingering;
  pending_ = 0;
  read_done_ = true;
  return Fate::kLinger;
}

// --- To the host.

VsockConnection::Fate VsockConnection::StreamWritable() {
  WriteBuffered();
  return AfterWriting();
}

void VsockConnection::WriteBuffered() {
  while (!buffer_.empty()) {
    const std::array<iovec, 2> slices = buffer_.Front();
    const VsockStream::Result result =
        stream_->Write(absl::MakeConstSpan(slices).first(slices[1].iov_len > 0 ? 2 : 1));
    if (result.kind == VsockStream::Result::Kind::kError) {
      HostTakesNoMore();
      break;
    }
    if (result.kind != VsockStream::Result::Kind::kDone) break;
    buffer_.Consume(result.size);
    Delivered(result.size);
  }
  stream_->WatchWritable(!buffer_.empty());
}

void VsockConnection::Delivered(size_t size) {
  forwarded_ += static_cast<uint32_t>(size);
  // While the host takes what comes, the guest always knows of half of the buffer.
  if (forwarded_ - told_forwarded_ >= buffer_size_ / 2) pending_ |= kSayCreditUpdate;
}

void VsockConnection::HostTakesNoMore() {
  Delivered(buffer_.size());
  buffer_.Consume(buffer_.size());
  write_done_ = true;
  SayShutdown(kVsockNoReceive);
}

void VsockConnection::SayShutdown(uint32_t flags) {
  if ((said_shutdown_ | flags) == said_shutdown_) return;
  said_shutdown_ |= flags;
  pending_ |= kSayShutdown;
}

VsockConnection::Fate VsockConnection::AfterWriting() {
  if (!buffer_.empty()) return Fate::kLives;
  if (state_ == State::kLingering) return Fate::kOver;
  if ((guest_shutdown_ & kVsockNoSend) != 0 && !write_done_) {
    write_done_ = true;
    stream_->ShutdownWrite();
  }
  // Virtio 1.2, 5.10.6.6: RST answers once everything is done that came before.
  return guest_shutdown_ == kVsockNothing ? Fate::kReset : Fate::kLives;
}

// --- To the guest.

VsockConnection::Fate VsockConnection::StreamReadable() {
  readable_ = true;
  // Level-triggered: it would come again and again until there is credit and a buffer.
  stream_->WatchReadable(false);
  AskForCredit();
  return Fate::kLives;
}

uint32_t VsockConnection::Credit() const {
  const uint32_t in_flight = sent_ - guest_fwd_cnt_;
  return in_flight >= guest_buf_alloc_ ? 0 : guest_buf_alloc_ - in_flight;
}

// Once for each time that there is none: the guest may have nothing new to tell.
void VsockConnection::AskForCredit() {
  if (state_ != State::kEstablished || !readable_ || read_done_ || Credit() > 0) return;
  if (asked_for_credit_) return;
  asked_for_credit_ = true;
  pending_ |= kSayCreditRequest;
}

void VsockConnection::Watch() {
  if (state_ != State::kEstablished || readable_ || read_done_) return;
  stream_->WatchReadable(true);
}

VsockConnection::Filled VsockConnection::Fill(VsockHeader header, WritableChain& buffer) {
  if ((pending_ & kSayRequest) != 0) return Say(VsockOp::kRequest, 0, header, buffer);
  if ((pending_ & kSayResponse) != 0) return Say(VsockOp::kResponse, 0, header, buffer);
  if (CanRead()) {
    const Filled filled = FillData(header, buffer);
    if (filled != Filled::kNothing) return filled;
  }
  if ((pending_ & kSayShutdown) != 0) {
    return Say(VsockOp::kShutdown, said_shutdown_, header, buffer);
  }
  if ((pending_ & kSayCreditUpdate) != 0) return Say(VsockOp::kCreditUpdate, 0, header, buffer);
  if ((pending_ & kSayCreditRequest) != 0) return Say(VsockOp::kCreditRequest, 0, header, buffer);
  return Filled::kNothing;
}

VsockConnection::Filled VsockConnection::FillData(VsockHeader header, WritableChain& buffer) {
  const uint64_t room =
      std::min<uint64_t>({buffer.writable() - sizeof(header), Credit(), kMaxPayload});
  if (room == 0) return Filled::kUnusable;
  absl::StatusOr<GuestMemory::SliceList> slices = buffer.Slices(sizeof(header) + room);
  if (!slices.ok()) return Filled::kUnusable;
  DropFront(*slices, sizeof(header));
  const VsockStream::Result result = stream_->Read(*slices);
  switch (result.kind) {
    case VsockStream::Result::Kind::kDone: {
      readable_ = result.size == room;  // Else it has been read empty, most likely.
      sent_ += static_cast<uint32_t>(result.size);
      header.length = static_cast<uint32_t>(result.size);
      const Filled filled = Say(VsockOp::kReadWrite, 0, header, buffer);
      if (filled != Filled::kPacket || !buffer.Commit(result.size).ok()) return Filled::kReset;
      AskForCredit();
      return filled;
    }
    case VsockStream::Result::Kind::kWait:
      readable_ = false;
      return Filled::kNothing;
    case VsockStream::Result::Kind::kEnd:
      read_done_ = true;
      stream_->WatchReadable(false);
      SayShutdown(kVsockNoSend);
      if (stream_->HostClosed()) HostTakesNoMore();
      return Filled::kNothing;
    case VsockStream::Result::Kind::kError:
      break;
  }
  return Filled::kReset;
}

VsockConnection::Filled VsockConnection::Say(VsockOp op, uint32_t flags, VsockHeader header,
                                             WritableChain& buffer) {
  header.op = static_cast<uint16_t>(op);
  header.flags = flags;
  TellCredit(header);
  if (!buffer.WriteObject(header).ok()) return Filled::kUnusable;
  told_forwarded_ = forwarded_;
  pending_ &= static_cast<uint8_t>(~kSayCreditUpdate);
  switch (op) {
    case VsockOp::kRequest:
      pending_ &= static_cast<uint8_t>(~kSayRequest);
      break;
    case VsockOp::kResponse:
      pending_ &= static_cast<uint8_t>(~kSayResponse);
      break;
    case VsockOp::kShutdown:
      pending_ &= static_cast<uint8_t>(~kSayShutdown);
      break;
    case VsockOp::kCreditRequest:
      pending_ &= static_cast<uint8_t>(~kSayCreditRequest);
      break;
    default:
      break;
  }
  return Filled::kPacket;
}

void VsockConnection::TellCredit(VsockHeader& header) {
  header.buf_alloc = buffer_size_;
  header.fwd_cnt = forwarded_;
}

}  // namespace touchstone
