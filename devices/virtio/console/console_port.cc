#include "devices/virtio/console/console_port.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

namespace touchstone {
namespace {

// Copied at a time.
constexpr size_t kPiece = size_t{16} * 1024;

absl::Span<const uint8_t> Bytes(absl::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace

ConsolePort::~ConsolePort() {
  Listen(nullptr, nullptr);
  if (!carried_.empty()) host_.output->Write(Bytes(carried_));
}

void ConsolePort::Listen(EventLoop::Callback on_input, EventLoop::Callback on_room) {
  host_.output->OnReady(std::move(on_room));
  host_.input->OnBytes(std::move(on_input));
}

ConsolePort::Progress ConsolePort::ContinueOutput() {
  WriteCarried();
  size_t left = kTurnSize;
  while (true) {
    const size_t room = host_.output->Room();
    if (room == 0) return Progress::kFull;
    if (!chain_.has_value()) return Progress::kDone;
    if (left == 0) return Progress::kGoing;
    uint8_t buffer[kPiece];
    const absl::Span<uint8_t> piece = absl::MakeSpan(buffer).first(
        std::min({sizeof(buffer), room, left, static_cast<size_t>(chain_->readable())}));
    // Buffers outside of memory are the driver's loss.
    const bool failed = !chain_->Read(piece).ok();
    if (failed) lost_ += chain_->readable();
    if (!failed && !piece.empty()) host_.output->Write(piece);
    left -= piece.size();
    if (!failed && chain_->readable() > 0) continue;
    std::move(*chain_).Complete();
    chain_.reset();
  }
}

ConsolePort::Progress ConsolePort::Output(ReadableChain chain) {
  chain_.emplace(std::move(chain));
  return ContinueOutput();
}

void ConsolePort::ReleaseChain() {
  if (!chain_.has_value()) return;
  const size_t size = static_cast<size_t>(
      std::min<uint64_t>(chain_->readable(), kMaxCarried - std::min(kMaxCarried, carried_.size())));
  const size_t before = carried_.size();
  lost_ += chain_->readable() - size;
  carried_.resize(before + size);
  const absl::Span<uint8_t> bytes(reinterpret_cast<uint8_t*>(carried_.data()) + before, size);
  if (!chain_->Read(bytes).ok()) {
    lost_ += size;
    carried_.resize(before);
  }
  std::move(*chain_).Complete();
  chain_.reset();
}

void ConsolePort::WriteCarried() {
  while (!carried_.empty()) {
    const size_t size = std::min(carried_.size(), host_.output->Room());
    if (size == 0) return;
    host_.output->Write(Bytes(carried_).first(size));
    carried_.erase(0, size);
  }
}

void ConsolePort::EmergencyWrite(uint8_t byte) {
  if (host_.output->Ready()) host_.output->Write(absl::MakeConstSpan(&byte, 1));
}

bool ConsolePort::HasInput() {
  if (staged_size_ > 0) return true;
  staged_first_ = 0;
  staged_size_ = host_.input->Read(absl::MakeSpan(staged_));
  return staged_size_ > 0;
}

void ConsolePort::Input(ReadableChain chain) {
  WritableChain buffer = std::move(chain).IntoWritable();
  while (buffer.writable() > 0 && HasInput()) {
    const size_t size = static_cast<size_t>(std::min<uint64_t>(staged_size_, buffer.writable()));
    // What does not arrive in memory is for the next buffer.
    if (!buffer.Write(absl::MakeConstSpan(staged_).subspan(staged_first_, size)).ok()) break;
    staged_first_ += size;
    staged_size_ -= size;
  }
  std::move(buffer).Complete();
}

void ConsolePort::Save(ConsolePortState& state) const {
  state.set_input(&staged_[0] + staged_first_, staged_size_);
  state.set_output(carried_);
}

absl::Status ConsolePort::Check(const ConsolePortState& state) {
  if (state.input().size() <= kInputSize && state.output().size() <= kMaxCarried) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("a console port with ", state.input().size(),
                                                 " bytes of input and ", state.output().size(),
                                                 " of output"));
}

void ConsolePort::Restore(const ConsolePortState& state) {
  std::copy(state.input().begin(), state.input().end(), staged_.begin());
  staged_first_ = 0;
  staged_size_ = state.input().size();
  carried_ = state.output();
}

}  // namespace touchstone
