// A VM with one vCPU and a little memory for tests that run real instructions.
//
//   GUEST_CODE(kHello, "16", "mov $0x41, %al; out %al, $0xF0");
//
//   ASSERT_OK_AND...: absl::StatusOr<TestGuest> guest = TestGuest::Create({});
//   ASSERT_TRUE(guest->StartRealMode(GuestCode(kHello)).ok());
//   absl::StatusOr<VcpuExit> exit = guest->vcpu().Run();
//
//   0x00000  GDT (long mode)
//   0x01000  code, where execution starts
//   0x02000  IDT (long mode)
//   0x03000  page tables (long mode): the low 4 GiB mapped to themselves
//   0x09000  free for the test
//   0x0F000  end of the stack, which grows down
//
// Thread-compatible.

#ifndef TOUCHSTONE_HYPERVISOR_KVM_TEST_GUEST_H_
#define TOUCHSTONE_HYPERVISOR_KVM_TEST_GUEST_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hypervisor/external_interrupts.h"
#include "hypervisor/hypervisor.h"

// Assembles `text` (AT&T syntax) for `bits` ("16" or "64") under the name `name`.
#define GUEST_CODE(name, bits, text)                                            \
  extern "C" const uint8_t name##_begin[];                                      \
  extern "C" const uint8_t name##_end[];                                        \
  asm(".pushsection .rodata\n.code" bits "\n" #name "_begin:\n" text "\n" #name \
      "_end:\n.code64\n.popsection\n")

// The bytes of a GUEST_CODE.
#define GuestCode(name) absl::MakeConstSpan(name##_begin, name##_end)

namespace touchstone {

inline constexpr char kKvmPath[] = "/dev/kvm";

// Why the tests of this machine cannot use KVM, when the device is not there at all.
std::optional<const char*> NoKvm();

class TestGuest {
 public:
  static constexpr uint64_t kCode = 0x1000;
  static constexpr uint64_t kFree = 0x9000;
  static constexpr uint64_t kStackEnd = 0xF000;

  struct Options {
    bool irq_chip = false;
    // The chip is split, with these beside it.
    ExternalInterrupts* split = nullptr;
    bool log_dirty = false;
    // A multiple of 4096, at least 64 KiB.
    uint64_t memory_size = 0x100000;
  };

  static absl::StatusOr<TestGuest> Create(const Options& options);

  TestGuest(TestGuest&& other) noexcept;
  TestGuest& operator=(TestGuest&&) = delete;
  ~TestGuest();

  // Loads `code` at kCode, to be run from there with interrupts disabled.
  absl::Status StartRealMode(absl::Span<const uint8_t> code);
  absl::Status StartLongMode(absl::Span<const uint8_t> code);

  // Long mode: enters `handler` (an address) on interrupt `vector`. The handler returns by IRETQ.
  void SetInterruptHandler(uint8_t vector, uint64_t handler);
  // Switches the local APIC on (SDM vol. 3, 11.4.7.2: spurious-interrupt vector register, bit 8).
  absl::Status EnableLapic();

  // Runs until an exit that is no interruption.
  absl::StatusOr<VcpuExit> RunUninterrupted();

  Hypervisor& hypervisor() { return *hypervisor_; }
  Vm& vm() { return *vm_; }
  Vcpu& vcpu() { return *vcpu_; }
  absl::Span<uint8_t> memory() { return absl::MakeSpan(memory_, memory_size_); }

 private:
  TestGuest() = default;

  std::unique_ptr<Hypervisor> hypervisor_;
  std::unique_ptr<Vm> vm_;
  std::unique_ptr<Vcpu> vcpu_;
  uint8_t* memory_ = nullptr;
  uint64_t memory_size_ = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_KVM_TEST_GUEST_H_
