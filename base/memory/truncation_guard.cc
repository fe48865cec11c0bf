#include "base/memory/truncation_guard.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/checked_math.h"
#include "base/log.h"
#include "base/status.h"

namespace touchstone {
namespace {

constexpr uintptr_t kPageSize = 4096;

// What the signal handler reads, which takes no lock. An end of 0 is no range.
struct Slot {
  std::atomic<bool> taken{false};
  std::atomic<uintptr_t> start{0};
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> truncated{false};
};

std::array<Slot, TruncationGuard::kMaxGuards> slots;
struct sigaction previous;

// Puts zeros in place of what is missing. True when the address is in a guarded range.
bool Replace(uintptr_t address) {
  for (Slot& slot : slots) {
    // Acquire: a range whose end is seen has its start.
    const uintptr_t end = slot.end.load(std::memory_order_acquire);
    const uintptr_t start = slot.start.load(std::memory_order_relaxed);
    if (address < start || address >= end) continue;
    const uintptr_t page = AlignDown(address, kPageSize);
    slot.truncated.store(true, std::memory_order_relaxed);
    return mmap(reinterpret_cast<void*>(page), end - page, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) != MAP_FAILED;
  }
  return false;
}

void OnBusError(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  // BUS_ADRERR is what an access beyond the end of a file gives (sigaction(2)).
  if (info->si_code == BUS_ADRERR && Replace(reinterpret_cast<uintptr_t>(info->si_addr))) {
    errno = error;
    return;
  }
  if ((previous.sa_flags & SA_SIGINFO) != 0) return previous.sa_sigaction(signal, info, context);
  if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    return previous.sa_handler(signal);
  }
  // The access happens again, and takes its course.
  sigaction(SIGBUS, &previous, nullptr);
}

absl::Status InstallHandler() {
  struct sigaction action = {};
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  if (sigaction(SIGBUS, &action, &previous) != 0) return ErrnoStatus(errno, "sigaction SIGBUS");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TruncationGuard> TruncationGuard::Watch(void* host, uint64_t size) {
  static const absl::Status& installed = *new absl::Status(InstallHandler());
  RETURN_IF_ERROR(installed);
  const uintptr_t start = reinterpret_cast<uintptr_t>(host);
  CHECK(size != 0 && IsAligned(start, kPageSize) && IsAligned<uint64_t>(size, kPageSize));
  for (int i = 0; i < kMaxGuards; ++i) {
    if (slots[i].taken.exchange(true, std::memory_order_acquire)) continue;
    slots[i].truncated.store(false, std::memory_order_relaxed);
    slots[i].start.store(start, std::memory_order_relaxed);
    slots[i].end.store(start + size, std::memory_order_release);  // Pairs with Replace.
    return TruncationGuard(i);
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("more than ", kMaxGuards, " mappings of shared files are in use"));
}

TruncationGuard::~TruncationGuard() {
  if (slot_ < 0) return;
  slots[slot_].end.store(0, std::memory_order_relaxed);
  slots[slot_].taken.store(false, std::memory_order_release);  // Pairs with Watch.
}

bool TruncationGuard::truncated() const {
  return slots[slot_].truncated.load(std::memory_order_relaxed);
}

}  // namespace touchstone
