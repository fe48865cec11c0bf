#include "vmm/machine/vcpu_thread.h"

#include <pthread.h>

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"

namespace touchstone {
namespace {

// A string instruction (INS, OUTS with REP) arrives as many accesses to one port.
void AccessPort(Bus& ports, const IoExit& io) {
  for (size_t offset = 0; offset + io.size <= io.data.size(); offset += io.size) {
    const absl::Span<uint8_t> unit = io.data.subspan(offset, io.size);
    if (io.is_write) {
      ports.Write(io.port, unit);
    } else {
      ports.Read(io.port, unit);
    }
  }
}

}  // namespace

VcpuThread::VcpuThread(std::unique_ptr<Vcpu> vcpu, uint32_t index, const Targets& targets,
                       VcpuPlacement placement)
    : vcpu_(std::move(vcpu)),
      index_(index),
      targets_(targets),
      placement_(std::move(placement)),
      bus_locks_(targets.bus_locks_per_second) {
  targets_.pause->Add(*vcpu_);
}

VcpuThread::~VcpuThread() { Stop(); }

void VcpuThread::Start(std::function<absl::Status()> prologue) {
  thread_ = std::thread([this, prologue = std::move(prologue)] { Run(prologue); });
}

void VcpuThread::Stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_release);  // seen by the loop after the kick
  vcpu_->Kick();
  targets_.pause->Wake();
  thread_.join();
}

absl::Status VcpuThread::MakeRealtime() {
  if (!placement_.realtime) return absl::OkStatus();
  return Annotate(TakeRealtimePriority(thread_.native_handle()), absl::StrCat("vCPU ", index_));
}

VcpuThread::ExitCounts VcpuThread::exit_counts() const {
  ExitCounts counts;
  for (size_t i = 0; i < counts.size(); ++i) counts[i] = exits_[i].load(std::memory_order_relaxed);
  return counts;
}

void VcpuThread::AwaitResume() {
  state_.store(State::kWaiting, std::memory_order_relaxed);
  if (targets_.pause->Wait(*vcpu_, stopping_)) vcpu_->NotePause();
  state_.store(State::kRunning, std::memory_order_relaxed);
}

void VcpuThread::Run(const std::function<absl::Status()>& prologue) {
  Loop(prologue);
  state_.store(State::kEnded, std::memory_order_relaxed);
}

void VcpuThread::Loop(const std::function<absl::Status()>& prologue) {
  pthread_setname_np(pthread_self(), absl::StrCat("vcpu", index_).c_str());
  absl::Status ready = ApplyPlacement(placement_);
  if (ready.ok() && prologue != nullptr) ready = prologue();
  if (!ready.ok()) {
    LOG(kError, "vcpu", "vCPU %d: %s", index_, std::string(ready.message()));
    return targets_.lifecycle->End(EndOfRun::kStopped);
  }
  AwaitResume();
  while (!stopping_.load(std::memory_order_acquire)) {  // pairs with Stop
    const absl::StatusOr<VcpuExit> exit = vcpu_->Run();
    if (!exit.ok()) {
      LOG(kError, "vcpu", "vCPU %d: %s", index_, std::string(exit.status().message()));
      targets_.lifecycle->End(EndOfRun::kCrash);
      return;
    }
    std::atomic<uint64_t>& count = exits_[exit->index()];
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (std::holds_alternative<InterruptedExit>(*exit)) {
      AwaitResume();
    } else if (!Dispatch(*exit)) {
      return;
    }
  }
}

bool VcpuThread::Dispatch(const VcpuExit& exit) {
  if (const auto* io = std::get_if<IoExit>(&exit)) {
    AccessPort(*targets_.ports, *io);
    return true;
  }
  if (const auto* mmio = std::get_if<MmioExit>(&exit)) {
    if (mmio->is_write) {
      targets_.mmio->Write(mmio->address, mmio->data);
    } else {
      targets_.mmio->Read(mmio->address, mmio->data);
    }
    return true;
  }
  if (const auto* end = std::get_if<EndOfInterruptExit>(&exit);
      end != nullptr && targets_.split != nullptr) {
    targets_.split->EndOfInterrupt(end->vector);
    return true;
  }
  if (std::holds_alternative<BusLockExit>(exit)) {
    const absl::Duration pause = bus_locks_.OnLock(SystemClock().Monotonic());
    if (pause > absl::ZeroDuration()) targets_.pause->Sleep(pause, stopping_);
    return true;
  }
  if (const auto* msr = std::get_if<MsrExit>(&exit)) {
    const bool known = targets_.hwp != nullptr &&
                       (msr->is_write ? targets_.hwp->Write(index_, msr->index, *msr->value)
                                      : targets_.hwp->Read(index_, msr->index, *msr->value));
    *msr->fault = known ? 0 : 1;
    return true;
  }
  if (const auto* debug = std::get_if<DebugExit>(&exit); debug != nullptr && debug_ != nullptr) {
    debug_->OnDebugExit(*vcpu_, index_, *debug);
    AwaitResume();
    return true;
  }
  if (std::holds_alternative<ShutdownExit>(exit)) {
    LOG(kInfo, "vcpu", "vCPU %d: triple fault", index_);
    targets_.lifecycle->End(EndOfRun::kTripleFault);
    return false;
  }
  if (const auto* event = std::get_if<SystemEventExit>(&exit)) {
    switch (event->kind) {
      case SystemEventExit::Kind::kShutdown:
        targets_.lifecycle->End(EndOfRun::kPowerOff);
        break;
      case SystemEventExit::Kind::kReset:
        targets_.lifecycle->End(EndOfRun::kReset);
        break;
      case SystemEventExit::Kind::kCrash:
        targets_.lifecycle->NotePanic();
        targets_.lifecycle->End(EndOfRun::kCrash);
        break;
    }
    return false;
  }
  // The rest cannot be run again: doing so would spin for ever.
  if (const auto* fail = std::get_if<FailEntryExit>(&exit)) {
    LOG(kError, "vcpu", "vCPU %d: the processor refused the guest's state, reason 0x%x", index_,
        fail->reason);
  } else if (const auto* internal = std::get_if<InternalErrorExit>(&exit)) {
    LOG(kError, "vcpu", "vCPU %d: hypervisor error %d: %s", index_, internal->suberror,
        internal->details);
  } else if (const auto* unknown = std::get_if<UnknownExit>(&exit)) {
    LOG(kError, "vcpu", "vCPU %d: unknown exit %d", index_, unknown->reason);
  } else {
    LOG(kError, "vcpu", "vCPU %d: an exit that nobody asked for (kind %d)", index_, exit.index());
  }
  targets_.lifecycle->End(EndOfRun::kCrash);
  return false;
}

}  // namespace touchstone
