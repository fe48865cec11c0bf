// One step of a fake vCPU's script: something the guest does that may leave it.
//
//   vcpu.Script(FakeExit::Out(0x3F8, 1, 'A'));
//   const size_t read = vcpu.Script(FakeExit::In(0x3FD, 1));
//   vcpu.Script(FakeExit::Other(ShutdownExit{}));
//   ... run the machine ...
//   EXPECT_EQ(vcpu.AnswerValue(read), 0x60);
//
// Plain data that owns its bytes.

#ifndef TOUCHSTONE_HYPERVISOR_FAKE_FAKE_EXIT_H_
#define TOUCHSTONE_HYPERVISOR_FAKE_FAKE_EXIT_H_

#include <cstdint>
#include <variant>
#include <vector>

#include "absl/types/span.h"
#include "hypervisor/vcpu_exit.h"
#include "hypervisor/vm.h"

namespace touchstone {

class FakeExit {
 public:
  // A guest access: `data` is `size`-byte units one after the other, what a write writes or the
  // room for what a read reads.
  struct Access {
    IoEvent::Space space = IoEvent::Space::kPort;
    uint64_t address = 0;
    uint8_t size = 1;
    bool is_write = false;
    std::vector<uint8_t> data;
  };

  // Port accesses of 1, 2 or 4 bytes; the string forms give or read `count` units.
  static FakeExit Out(uint16_t port, uint8_t size, uint32_t value);
  static FakeExit In(uint16_t port, uint8_t size);
  static FakeExit OutString(uint16_t port, uint8_t size, absl::Span<const uint8_t> data);
  static FakeExit InString(uint16_t port, uint8_t size, uint32_t count);
  // Memory accesses of 1 to 8 bytes.
  static FakeExit MmioWrite(uint64_t address, uint8_t size, uint64_t value);
  static FakeExit MmioRead(uint64_t address, uint8_t size);
  // Any other exit.
  static FakeExit Other(VcpuExit exit);

  [[nodiscard]] const std::variant<Access, VcpuExit>& content() const { return content_; }

 private:
  explicit FakeExit(Access access) : content_(std::move(access)) {}
  explicit FakeExit(VcpuExit exit) : content_(std::move(exit)) {}

  std::variant<Access, VcpuExit> content_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_FAKE_FAKE_EXIT_H_
