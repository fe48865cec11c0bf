// An output queue between a guest that writes and a sink that takes as much as it likes.
//
// Input: operations: an opcode byte and an operand.

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/event/manual_loop.h"
#include "base/event_fd.h"
#include "base/log.h"
#include "devices/platform/serial/byte_sink.h"
#include "devices/platform/serial/output_queue.h"
#include "fuzz/support/fuzz_input.h"

namespace touchstone {
namespace {

// What a ScriptedSink takes, and what it was given. Its descriptor is writable while there is room.
class Script {
 public:
  Script() : writable_(*EventFd::Create()) { SetRoom(0); }

  void SetRoom(size_t room) {
    room_ = room;
    writable_.Drain();
    // An eventfd at its largest value is not writable.
    const uint64_t full = UINT64_MAX - 1;
    if (room == 0) CHECK(write(writable_.fd(), &full, sizeof(full)) == sizeof(full));
  }
  ByteSink::Result Take(absl::Span<const uint8_t> bytes) {
    CHECK(!bytes.empty());
    const size_t count = std::min(bytes.size(), room_);
    text.append(bytes.begin(), bytes.begin() + count);
    SetRoom(room_ - count);
    return {count, count == bytes.size() ? ByteSink::State::kOpen : when_full};
  }
  int fd() const { return writable_.fd(); }

  ByteSink::State when_full = ByteSink::State::kFull;
  std::string text;

 private:
  size_t room_ = 0;
  EventFd writable_;
};

class ScriptedSink final : public ByteSink {
 public:
  explicit ScriptedSink(Script& script) : script_(script) {}
  Result Write(absl::Span<const uint8_t> bytes) override { return script_.Take(bytes); }
  int fd() const override { return script_.fd(); }

 private:
  Script& script_;
};

void FuzzOutputQueue(FuzzInput input) {
  ManualLoop loop;
  Script script;
  bool only_stalls = true;
  OutputQueue queue(loop, loop.clock(), std::make_unique<ScriptedSink>(script), "fuzz");
  std::string written;
  uint8_t next = 0;
  while (!input.empty()) {
    const uint8_t opcode = input.U8();
    switch (opcode % 4) {
      case 0:
      case 1: {
        std::string bytes(opcode % 4 == 0 ? input.U8() : input.U16() % 5000, '\0');
        for (char& byte : bytes) byte = static_cast<char>(next++);
        const bool was_ready = queue.Ready();
        const uint64_t dropped = queue.dropped();
        queue.Write({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
        // A device that keeps to the rules loses nothing to a stall.
        CHECK(!was_ready || bytes.size() > OutputQueue::kBurstRoom || dropped == queue.dropped() ||
              !only_stalls);
        written += bytes;
        break;
      }
      case 2:
        loop.Advance(absl::Milliseconds(input.U8()));
        break;
      default:
        script.SetRoom(input.U16());
        // The end (kGone) is for one more opcode in 16.
        script.when_full = opcode / 4 % 16 == 15 ? ByteSink::State::kGone
                           : opcode / 4 % 2 == 0 ? ByteSink::State::kFull
                                                 : ByteSink::State::kAbsent;
        only_stalls &= script.when_full == ByteSink::State::kFull;
        break;
    }
  }
  // What is not lost and not pending has arrived, and without loss in order.
  const uint64_t dropped = queue.dropped();
  CHECK(script.text.size() + dropped <= written.size());
  CHECK(written.size() - dropped - script.text.size() <= OutputQueue::kCapacity);
  CHECK(dropped > 0 || written.compare(0, script.text.size(), script.text) == 0);
  script.SetRoom(SIZE_MAX);
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  touchstone::FuzzOutputQueue(touchstone::FuzzInput(data, size));
  return 0;
}
