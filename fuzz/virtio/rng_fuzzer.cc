// A hostile driver of the entropy device. Input: features 1; then operations: an opcode byte, then
// its operands. The ring of 256 entries is at the start of memory.

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/event/manual_loop.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/rng/rng.h"
#include "devices/virtio/testing/guest_driver.h"
#include "fuzz/support/fuzz_input.h"

namespace touchstone {
namespace {

void Run(FuzzInput input) {
  ManualLoop loop;
  bool fails = false;
  Rng rng(loop, [&fails](absl::Span<uint8_t> bytes) {
    memset(bytes.data(), 0x5A, bytes.size());
    return fails ? absl::UnavailableError("not now") : absl::OkStatus();
  });
  GuestDriver guest(
      rng, {.features = (input.U8() & 1) != 0 ? kVirtioEventIndex : 0, .queue_memory = 0x4000});
  guest.Start();
  const QueueLayout layout = guest.queue(0).layout();
  while (!input.empty()) {
    switch (input.U8() % 6) {
      case 0: {
        const GuestAddress at = layout.descriptors + uint64_t{input.U8()} * kDescriptorSize;
        const absl::Span<const uint8_t> bytes = input.Bytes(kDescriptorSize);
        guest.memory().Write(at, bytes).IgnoreError();
        break;
      }
      case 1:  // The available ring: flags, index, heads.
        guest.memory().Write(layout.driver + input.U8(), input.Bytes(4)).IgnoreError();
        break;
      case 2:
        guest.kick(0).Signal();
        break;
      case 3:
        loop.RunReady();
        break;
      case 4:
        fails = input.Bool();
        break;
      case 5:
        rng.Reset();
        guest.Start();
        break;
    }
  }
  guest.kick(0).Signal();
  loop.RunReady();
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  touchstone::Run(touchstone::FuzzInput(data, size));
  return 0;
}
