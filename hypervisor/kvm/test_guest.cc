#include "hypervisor/kvm/test_guest.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <variant>

#include "base/log.h"
#include "base/status.h"
#include "hypervisor/default_irq_routes.h"
#include "hypervisor/kvm/kvm_hypervisor.h"

namespace touchstone {
namespace {

constexpr uint64_t kGdt = 0x0000;
constexpr uint64_t kIdt = 0x2000;
constexpr uint64_t kPageTables = 0x3000;
constexpr uint16_t kCodeSelector = 0x08;
constexpr uint16_t kDataSelector = 0x10;
constexpr uint16_t kIdtLimit = 256 * 16 - 1;

// SDM vol. 3, 4.5: present, writable, and in a page directory a 2 MiB page.
constexpr uint64_t kPresentWritable = 0x3;
constexpr uint64_t kLargePage = 0x80;

constexpr uint64_t kCr0ProtectedMode = 1;
constexpr uint64_t kCr0Paging = uint64_t{1} << 31;
constexpr uint64_t kCr4Pae = 1 << 5;
constexpr uint64_t kEferLongModeEnable = 1 << 8;
constexpr uint64_t kEferLongModeActive = 1 << 10;

Segment CodeSegment64() {
  return {.limit = 0xFFFFFFFF,
          .selector = kCodeSelector,
          .type = 0xB,
          .present = true,
          .s = true,
          .l = true,
          .g = true};
}

Segment DataSegment() {
  return {.limit = 0xFFFFFFFF,
          .selector = kDataSelector,
          .type = 0x3,
          .present = true,
          .db = true,
          .s = true,
          .g = true};
}

}  // namespace

std::optional<const char*> NoKvm() {
  if (access(kKvmPath, F_OK) == 0) return std::nullopt;
  return "this machine has no /dev/kvm";
}

absl::StatusOr<TestGuest> TestGuest::Create(const Options& options) {
  TestGuest guest;
  ASSIGN_OR_RETURN(guest.hypervisor_, OpenKvm(kKvmPath));
  ASSIGN_OR_RETURN(guest.vm_, guest.hypervisor_->CreateVm());
  void* memory = mmap(nullptr, options.memory_size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return ErrnoStatus(errno, "mmap of guest memory");
  guest.memory_ = static_cast<uint8_t*>(memory);
  guest.memory_size_ = options.memory_size;
  RETURN_IF_ERROR(guest.vm_->SetMemory(
      0, {.size = options.memory_size, .host = memory, .log_dirty = options.log_dirty}));
  if (options.irq_chip) RETURN_IF_ERROR(guest.vm_->CreateIrqChip());
  if (options.split != nullptr) {
    RETURN_IF_ERROR(guest.vm_->CreateSplitIrqChip(kIoapicPins, *options.split));
  }
  ASSIGN_OR_RETURN(const std::vector<CpuidEntry> cpuid, guest.hypervisor_->SupportedCpuid());
  ASSIGN_OR_RETURN(guest.vcpu_, guest.vm_->CreateVcpu(0, cpuid));
  return guest;
}

TestGuest::TestGuest(TestGuest&& other) noexcept
    : hypervisor_(std::move(other.hypervisor_)),
      vm_(std::move(other.vm_)),
      vcpu_(std::move(other.vcpu_)),
      memory_(std::exchange(other.memory_, nullptr)),
      memory_size_(other.memory_size_) {}

TestGuest::~TestGuest() {
  vcpu_.reset();
  vm_.reset();
  if (memory_ != nullptr) munmap(memory_, memory_size_);
}

absl::Status TestGuest::StartRealMode(absl::Span<const uint8_t> code) {
  CHECK(code.size() <= kIdt - kCode);
  std::memcpy(memory_ + kCode, code.data(), code.size());
  ASSIGN_OR_RETURN(SpecialRegisters special, vcpu_->GetSpecialRegisters());
  special.cs.selector = 0;
  special.cs.base = 0;
  RETURN_IF_ERROR(vcpu_->SetSpecialRegisters(special));
  return vcpu_->SetRegisters({.rsp = kStackEnd, .rip = kCode});
}

absl::Status TestGuest::StartLongMode(absl::Span<const uint8_t> code) {
  CHECK(code.size() <= kIdt - kCode);
  std::memcpy(memory_ + kCode, code.data(), code.size());
  auto* gdt = reinterpret_cast<uint64_t*>(memory_ + kGdt);
  gdt[kCodeSelector / 8] = 0x00AF9B000000FFFF;
  gdt[kDataSelector / 8] = 0x00CF93000000FFFF;
  // One PML4 entry, four PDPT entries, four page directories of 512 pages of 2 MiB.
  auto* tables = reinterpret_cast<uint64_t*>(memory_ + kPageTables);
  tables[0] = (kPageTables + 0x1000) | kPresentWritable;
  for (uint64_t i = 0; i < 4; ++i) {
    tables[512 + i] = (kPageTables + 0x2000 + i * 0x1000) | kPresentWritable;
  }
  for (uint64_t i = 0; i < uint64_t{4} * 512; ++i) {
    tables[1024 + i] = (i << 21) | kPresentWritable | kLargePage;
  }
  ASSIGN_OR_RETURN(SpecialRegisters special, vcpu_->GetSpecialRegisters());
  special.cs = CodeSegment64();
  special.ds = special.es = special.fs = special.gs = special.ss = DataSegment();
  special.gdt = {.base = kGdt, .limit = 3 * 8 - 1};
  special.idt = {.base = kIdt, .limit = kIdtLimit};
  special.cr0 |= kCr0ProtectedMode | kCr0Paging;
  special.cr3 = kPageTables;
  special.cr4 |= kCr4Pae;
  special.efer |= kEferLongModeEnable | kEferLongModeActive;
  RETURN_IF_ERROR(vcpu_->SetSpecialRegisters(special));
  return vcpu_->SetRegisters({.rsp = kStackEnd, .rip = kCode});
}

void TestGuest::SetInterruptHandler(uint8_t vector, uint64_t handler) {
  // SDM vol. 3, 6.14.1: a present 64-bit interrupt gate.
  constexpr uint64_t kInterruptGate = uint64_t{0x8E00} << 32;
  auto* gate = reinterpret_cast<uint64_t*>(memory_ + kIdt) + 2 * vector;
  gate[0] = (handler & 0xFFFF) | (uint64_t{kCodeSelector} << 16) | kInterruptGate |
            ((handler & 0xFFFF0000) << 32);
  gate[1] = handler >> 32;
}

absl::Status TestGuest::EnableLapic() {
  constexpr size_t kSpuriousVectorRegister = 0xF0;
  ASSIGN_OR_RETURN(LapicState lapic, vcpu_->GetLapic());
  lapic[kSpuriousVectorRegister] = 0xFF;
  lapic[kSpuriousVectorRegister + 1] = 0x01;
  return vcpu_->SetLapic(lapic);
}

absl::StatusOr<VcpuExit> TestGuest::RunUninterrupted() {
  for (;;) {
    absl::StatusOr<VcpuExit> exit = vcpu_->Run();
    if (!exit.ok() || !std::holds_alternative<InterruptedExit>(*exit)) return exit;
  }
}

}  // namespace touchstone
