#include "vmm/gdb/machine_target.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "vmm/gdb/breakpoints.h"
#include "vmm/gdb/virtual_memory.h"

namespace touchstone {
namespace {

using Reason = GdbStop::Reason;

// SDM vol. 3, 6.15: the breakpoint exception, and what DR6 says of a debug exception (17.2.3).
constexpr uint32_t kBreakpointException = 3;
constexpr uint64_t kDr6Step = 1 << 14;

Reason ReasonOf(DebugControl::Breakpoint::Kind kind) {
  switch (kind) {
    case DebugControl::Breakpoint::Kind::kExecute:
      return Reason::kHardware;
    case DebugControl::Breakpoint::Kind::kWrite:
      return Reason::kWrite;
    case DebugControl::Breakpoint::Kind::kAccess:
      return Reason::kAccess;
  }
  return Reason::kHardware;
}

}  // namespace

MachineTarget::MachineTarget(Machine& machine, EventLoop& loop) : machine_(machine), loop_(loop) {
  machine_.SetDebugHook(*this);
  machine_.gate().Close(PauseGate::Reason::kDebugger, nullptr);
}

absl::StatusOr<GdbCpuState> MachineTarget::ReadState(uint32_t vcpu) {
  Vcpu& source = machine_.vcpu(vcpu);
  GdbCpuState state;
  ASSIGN_OR_RETURN(state.general, source.GetRegisters());
  ASSIGN_OR_RETURN(state.special, source.GetSpecialRegisters());
  ASSIGN_OR_RETURN(state.extended, source.GetExtendedState());
  return state;
}

absl::Status MachineTarget::WriteState(uint32_t vcpu, const GdbCpuState& state) {
  Vcpu& destination = machine_.vcpu(vcpu);
  ASSIGN_OR_RETURN(const GdbCpuState before, ReadState(vcpu));
  if (state.general != before.general) RETURN_IF_ERROR(destination.SetRegisters(state.general));
  if (state.special != before.special) {
    RETURN_IF_ERROR(destination.SetSpecialRegisters(state.special));
  }
  if (state.extended != before.extended) {
    RETURN_IF_ERROR(destination.SetExtendedState(state.extended));
  }
  return absl::OkStatus();
}

absl::Status MachineTarget::Prepare(const GdbRun& run) {
  std::vector<const Vcpu*> held;
  for (uint32_t i = 0; i < vcpu_count(); ++i) {
    Vcpu& vcpu = machine_.vcpu(i);
    if (!run.vcpus[i].runs) held.push_back(&vcpu);
    RETURN_IF_ERROR(vcpu.SetDebug({.single_step = run.vcpus[i].step,
                                   .software_breakpoints = !run.software.empty(),
                                   .breakpoints = run.breakpoints}));
  }
  machine_.gate().Hold(std::move(held));
  return absl::OkStatus();
}

absl::Status MachineTarget::Resume(const GdbRun& run, std::function<void(const GdbStop&)> stopped) {
  RETURN_IF_ERROR(Prepare(run));
  bool told_already = false;
  {
    MutexLock lock(mutex_);
    run_ = run;
    stopped_ = std::move(stopped);
    told_already = !stops_.empty();
  }
  if (told_already) {
    loop_.Post([this] { Report(); });
  } else {
    machine_.gate().Open(PauseGate::Reason::kDebugger);
  }
  return absl::OkStatus();
}

void MachineTarget::Halt(std::function<void()> then) {
  machine_.gate().Close(PauseGate::Reason::kDebugger,
                        [this, then = std::move(then)] { loop_.Post(then); });
}

void MachineTarget::Interrupt() {
  {
    MutexLock lock(mutex_);
    if (!stopped_) return;
    stops_.push_back({.reason = Reason::kInterrupt});
  }
  Halt([this] { Report(); });
}

void MachineTarget::Report() {
  std::function<void(const GdbStop&)> stopped;
  GdbStop stop;
  {
    MutexLock lock(mutex_);
    if (!stopped_ || stops_.empty()) return;
    stop = stops_.front();
    stops_.pop_front();
    // What stops a vCPU whenever it is there will do so again.
    std::erase_if(stops_, [](const GdbStop& other) {
      return other.reason != Reason::kWrite && other.reason != Reason::kAccess;
    });
    stopped = std::exchange(stopped_, nullptr);
  }
  stopped(stop);
}

void MachineTarget::Detach() {
  {
    MutexLock lock(mutex_);
    stopped_ = nullptr;
    stops_.clear();
  }
  Halt([this] {
    GdbRun free;
    free.vcpus.resize(vcpu_count());
    if (absl::Status status = Prepare(free); !status.ok()) {
      LOG(kWarning, "gdb", "%s", std::string(status.message()));
    }
    {
      MutexLock lock(mutex_);
      run_ = free;
      stops_.clear();
    }
    machine_.gate().Open(PauseGate::Reason::kDebugger);
  });
}

void MachineTarget::Kill() { machine_.lifecycle().End(EndOfRun::kStopped); }

void MachineTarget::OnDebugExit(Vcpu& vcpu, uint32_t index, const DebugExit& exit) {
  const std::optional<GdbStop> stop = Understand(vcpu, index, exit);
  if (!stop.has_value()) return;
  {
    MutexLock lock(mutex_);
    stops_.push_back(*stop);
  }
  Halt([this] { Report(); });
}

std::optional<GdbStop> MachineTarget::Understand(Vcpu& vcpu, uint32_t index,
                                                 const DebugExit& exit) {
  if (exit.exception == kBreakpointException) {
    bool ours = false;
    {
      MutexLock lock(mutex_);
      ours = std::binary_search(run_.software.begin(), run_.software.end(), exit.rip);
    }
    if (ours) return GdbStop{.reason = Reason::kSoftware, .vcpu = index};
    PassOn(vcpu, exit.rip);
    return std::nullopt;
  }
  MutexLock lock(mutex_);
  for (size_t i = 0; i < run_.breakpoints.size(); ++i) {
    if ((exit.dr6 >> i & 1) == 0 || !run_.breakpoints[i].has_value()) continue;
    return GdbStop{.reason = ReasonOf(run_.breakpoints[i]->kind),
                   .vcpu = index,
                   .address = run_.breakpoints[i]->address};
  }
  if ((exit.dr6 & kDr6Step) == 0) return std::nullopt;
  return GdbStop{.reason = Reason::kStep, .vcpu = index};
}

void MachineTarget::PassOn(Vcpu& vcpu, uint64_t address) {
  const absl::StatusOr<SpecialRegisters> registers = vcpu.GetSpecialRegisters();
  uint8_t byte = kInt3;
  if (registers.ok()) ReadVirtual(memory(), *registers, address, {&byte, 1});
  // Taken away since the processor fetched it: there is another instruction now.
  if (byte != kInt3) return;
  absl::StatusOr<VcpuEvents> events = vcpu.GetEvents();
  absl::Status status = events.status();
  if (status.ok()) {
    events->exception_injected = true;
    events->exception_vector = kBreakpointException;
    events->exception_has_error_code = false;
    status = vcpu.SetEvents(*events);
  }
  if (!status.ok()) LOG(kError, "gdb", "the guest's breakpoint: %s", std::string(status.message()));
}

}  // namespace touchstone
