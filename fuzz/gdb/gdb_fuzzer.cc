// A debugger's bytes: whatever it sends, the session answers each packet at most once, in packets
// that are well formed, and when it ends the guest's memory is as it would be without breakpoints.
//
// The input is a list of pieces, each with a byte of its length before it: packets without their
// frame, which is added, but for a length of 0: then the rest of the input is sent as it is. Bit 7
// of the length has the machine stop afterwards, if it runs.

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/log.h"
#include "vmm/gdb/fake_target.h"
#include "vmm/gdb/packet.h"
#include "vmm/gdb/session.h"

namespace touchstone {
namespace {

// Paging in long mode: 2 MiB of memory from virtual address 0, but for what the input writes there.
void MakeTables(FakeTarget& target) {
  for (GdbCpuState& state : target.states) {
    state.special.cr0 = 0x8000'0001;
    state.special.cr3 = 0x1000;
    state.special.cr4 = 1 << 5;
    state.special.efer = 1 << 10;
  }
  const auto entry = [&](uint64_t at, uint64_t value) {
    CHECK(target.memory().WriteObject(GuestAddress{at}, value).ok());
  };
  entry(0x1000, 0x2003);
  entry(0x2000, 0x3003);
  entry(0x3000, 0x83);
}

// Answers are packets, with "+" before them, or one of a few bytes.
void CheckAnswer(absl::string_view bytes) {
  GdbPacketReader reader;
  int packets = 0;
  reader.Feed(bytes, [&](const GdbInput& input) {
    CHECK(input.kind != GdbInput::Kind::kCorrupt);
    packets += input.kind == GdbInput::Kind::kPacket ? 1 : 0;
  });
  CHECK(packets <= 1);
}

void Run(absl::string_view input) {
  FakeTarget target(2);
  MakeTables(target);
  std::string sent;
  {
    GdbSession session(target, [&](absl::string_view bytes) { absl::StrAppend(&sent, bytes); });
    while (!input.empty() && !session.finished()) {
      const uint8_t head = static_cast<uint8_t>(input[0]);
      input.remove_prefix(1);
      if (head == 0) {
        session.Feed(input);
        break;
      }
      const size_t size = std::min<size_t>(head & 0x7F, input.size());
      sent.clear();
      session.Feed(EncodeGdbPacket(input.substr(0, size)));
      CheckAnswer(sent);
      input.remove_prefix(size);
      if ((head & 0x80) != 0 && target.running()) {
        target.Stop({.reason = GdbStop::Reason::kSoftware, .vcpu = 1});
      }
    }
  }
  CHECK(target.detached + target.killed == 1);
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  touchstone::Run(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
