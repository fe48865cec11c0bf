#include "hypervisor/kvm/probe.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <variant>

#include "absl/base/thread_annotations.h"
#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/status.h"
#include "hypervisor/kvm/kvm_hypervisor.h"

namespace touchstone {
namespace {

// Between the 1 to 10 seen with hardware (the excess is noise) and the 1000 and more of emulation.
constexpr double kEmulatingSlowdown = 50;
// Emulation does 2 million instructions a second; this many rounds of two take it 4 ms.
constexpr uint64_t kRounds = 4000;
constexpr int kRepetitions = 3;
constexpr absl::Duration kPatience = absl::Seconds(1);

constexpr uint64_t kMemorySize = 0x2000;
constexpr uint64_t kCode = 0x1000;
constexpr uint16_t kDonePort = 0xF4;
// 32-bit code:            1: dec %ecx   jnz 1b      out %al, $kDonePort
constexpr uint8_t kLoop[] = {0x49, 0x75, 0xFD, 0xE6, kDonePort};

absl::Duration TimeHostLoop() {
  const absl::Duration start = SystemClock().Monotonic();
  uint32_t rounds = kRounds;
  asm volatile("1: dec %0\n jnz 1b" : "+r"(rounds) : : "cc");
  return SystemClock().Monotonic() - start;
}

// Kicks a vCPU that takes too long, from a thread of its own, until destroyed.
class Watchdog {
 public:
  Watchdog(Vcpu& vcpu, absl::Duration patience)
      : thread_([this, &vcpu, patience] { Watch(vcpu, patience); }) {}
  ~Watchdog() {
    {
      MutexLock lock(mutex_);
      done_ = true;
    }
    wake_.Signal();
    thread_.join();
  }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  [[nodiscard]] bool expired() const { return expired_; }

 private:
  void Watch(Vcpu& vcpu, absl::Duration patience) {
    const absl::Duration end = SystemClock().Monotonic() + patience;
    MutexLock lock(mutex_);
    while (!done_) {
      const absl::Duration left = end - SystemClock().Monotonic();
      if (left <= absl::ZeroDuration()) {
        expired_ = true;
        vcpu.Kick();
        return;
      }
      wake_.WaitFor(mutex_, absl::ToChronoNanoseconds(left));
    }
  }

  Mutex mutex_;
  CondVar wake_;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<bool> expired_{false};
  std::thread thread_;
};

// A flat 32-bit segment: real-mode code is emulated on some processors that run the rest.
Segment FlatSegment(uint16_t selector, uint8_t type) {
  return {.limit = 0xFFFFFFFF,
          .selector = selector,
          .type = type,
          .present = true,
          .db = true,
          .s = true,
          .g = true};
}

absl::Status EnterProtectedMode(Vcpu& vcpu) {
  ASSIGN_OR_RETURN(SpecialRegisters special, vcpu.GetSpecialRegisters());
  special.cs = FlatSegment(0x08, 0xB);
  special.ds = special.es = special.fs = special.gs = special.ss = FlatSegment(0x10, 0x3);
  special.cr0 |= 1;
  return vcpu.SetSpecialRegisters(special);
}

// The time from entering the loop with `rounds` to go until it tells its end.
absl::StatusOr<absl::Duration> TimeGuestLoop(Vcpu& vcpu, uint64_t rounds,
                                             const Watchdog& watchdog) {
  RETURN_IF_ERROR(vcpu.SetRegisters({.rcx = rounds, .rip = kCode}));
  const absl::Duration start = SystemClock().Monotonic();
  for (;;) {
    ASSIGN_OR_RETURN(const VcpuExit exit, vcpu.Run());
    const absl::Duration time = SystemClock().Monotonic() - start;
    if (const auto* io = std::get_if<IoExit>(&exit); io != nullptr && io->port == kDonePort) {
      return time;
    }
    if (watchdog.expired()) return absl::DeadlineExceededError("guest code does not end in time");
    if (std::holds_alternative<InterruptedExit>(exit)) continue;
    if (const auto* error = std::get_if<InternalErrorExit>(&exit)) {
      return absl::InternalError(absl::StrCat("guest code does not run: ", error->details));
    }
    return absl::InternalError(
        absl::StrCat("guest code does not run: exit of kind ", exit.index()));
  }
}

// What the loop alone takes in the guest: entry and exit are measured apart and taken off.
absl::StatusOr<absl::Duration> MeasureGuest(Hypervisor& hypervisor, absl::Duration patience) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Vm> vm, hypervisor.CreateVm());
  void* memory =
      mmap(nullptr, kMemorySize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return ErrnoStatus(errno, "mmap of guest memory");
  std::memcpy(static_cast<uint8_t*>(memory) + kCode, kLoop, sizeof(kLoop));
  // The slot goes before the memory does.
  const absl::Cleanup unmap = [&vm, memory] {
    vm->SetMemory(0, MemorySlot{}).IgnoreError();
    munmap(memory, kMemorySize);
  };
  RETURN_IF_ERROR(vm->SetMemory(0, {.size = kMemorySize, .host = memory}));
  ASSIGN_OR_RETURN(const std::unique_ptr<Vcpu> vcpu, vm->CreateVcpu(0, {}));
  RETURN_IF_ERROR(EnterProtectedMode(*vcpu));
  const Watchdog watchdog(*vcpu, patience);
  absl::Duration entry = absl::InfiniteDuration();
  absl::Duration loop = absl::InfiniteDuration();
  for (int i = 0; i < kRepetitions; ++i) {
    ASSIGN_OR_RETURN(const absl::Duration one, TimeGuestLoop(*vcpu, 1, watchdog));
    ASSIGN_OR_RETURN(const absl::Duration all, TimeGuestLoop(*vcpu, kRounds, watchdog));
    entry = std::min(entry, one);
    loop = std::min(loop, all);
  }
  return std::max(loop - entry, absl::ZeroDuration());
}

absl::Duration MeasureHost() {
  absl::Duration best = absl::InfiniteDuration();
  for (int i = 0; i < kRepetitions; ++i) best = std::min(best, TimeHostLoop());
  return std::max(best, absl::Nanoseconds(1));
}

}  // namespace

KvmKind ClassifyKvm(absl::Duration guest, absl::Duration host) {
  return absl::FDivDuration(guest, host) > kEmulatingSlowdown ? KvmKind::kEmulating
                                                              : KvmKind::kHardware;
}

KvmProbe ProbeHypervisor(Hypervisor& hypervisor, absl::Duration patience) {
  const absl::StatusOr<absl::Duration> guest = MeasureGuest(hypervisor, patience);
  if (!guest.ok()) return {KvmKind::kUnusable, std::string(guest.status().message())};
  const absl::Duration host = MeasureHost();
  const KvmKind kind = ClassifyKvm(*guest, host);
  return {kind, absl::StrFormat("%s: guest code takes %.1f times the host's time",
                                kind == KvmKind::kHardware ? "hardware" : "emulating",
                                absl::FDivDuration(*guest, host))};
}

KvmProbe ProbeKvm(absl::string_view path) {
  const absl::StatusOr<std::unique_ptr<Hypervisor>> hypervisor = OpenKvm(path);
  if (!hypervisor.ok()) return {KvmKind::kUnusable, std::string(hypervisor.status().message())};
  return ProbeHypervisor(**hypervisor, kPatience);
}

}  // namespace touchstone
