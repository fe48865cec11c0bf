#include "hypervisor/fake/fake_vcpu.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"

namespace touchstone {
namespace {

// SDM vol. 3, 9.1.1 and 10.12: what a processor starts with.
constexpr uint64_t kResetApicBase = 0xFEE00900;
constexpr size_t kXsaveSize = 4096;

EventFd MustCreateEventFd() {
  absl::StatusOr<EventFd> event = EventFd::Create();
  CHECK(event.ok());
  return *std::move(event);
}

uint64_t LittleEndian(absl::Span<const uint8_t> bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size(); ++i) value |= uint64_t{bytes[i]} << (8 * i);
  return value;
}

}  // namespace

FakeVcpu::FakeVcpu(uint32_t id, std::shared_ptr<FakeIoEvents> io_events,
                   absl::Span<const CpuidEntry> cpuid, ExternalInterrupts* external)
    : id_(id),
      io_events_(std::move(io_events)),
      cpuid_(cpuid.begin(), cpuid.end()),
      external_(external),
      wake_(MustCreateEventFd()) {
  special_registers_.apic_base = kResetApicBase;
  extended_state_.xsave.resize(kXsaveSize);
}

size_t FakeVcpu::Script(FakeExit exit) {
  size_t number = 0;
  {
    MutexLock lock(mutex_);
    number = next_number_++;
    script_.push_back({number, std::move(exit)});
  }
  wake_.Signal();
  return number;
}

std::optional<std::vector<uint8_t>> FakeVcpu::Answer(size_t step) const {
  MutexLock lock(mutex_);
  const auto found = answers_.find(step);
  if (found == answers_.end()) return std::nullopt;
  return found->second;
}

std::optional<uint64_t> FakeVcpu::AnswerValue(size_t step) const {
  const std::optional<std::vector<uint8_t>> answer = Answer(step);
  if (!answer.has_value() || answer->size() > sizeof(uint64_t)) return std::nullopt;
  return LittleEndian(*answer);
}

size_t FakeVcpu::remaining() const {
  MutexLock lock(mutex_);
  return script_.size();
}

void FakeVcpu::set_idle_exit(std::optional<VcpuExit> exit) {
  {
    MutexLock lock(mutex_);
    idle_exit_ = std::move(exit);
  }
  wake_.Signal();
}

void FakeVcpu::RefuseMsr(uint32_t index) { refused_msrs_.insert(index); }

void FakeVcpu::set_interruptible(bool interruptible) {
  {
    MutexLock lock(mutex_);
    interruptible_ = interruptible;
  }
  wake_.Signal();
}

std::vector<uint8_t> FakeVcpu::TakeExternalInterrupts() {
  MutexLock lock(mutex_);
  return std::exchange(external_vectors_, {});
}

void FakeVcpu::AcceptInterrupts() {
  while (external_ != nullptr && interruptible_ && external_->pending()) {
    external_vectors_.push_back(external_->Acknowledge());
  }
}

void FakeVcpu::CompleteRead() {
  if (!pending_read_.has_value()) return;
  answers_[*pending_read_] = data_;
  pending_read_.reset();
}

std::optional<VcpuExit> FakeVcpu::Perform(const Step& step) {
  if (const auto* other = std::get_if<VcpuExit>(&step.exit.content())) return *other;
  const auto& access = std::get<FakeExit::Access>(step.exit.content());
  data_ = access.data;
  if (access.is_write) {
    // A string write is one write per unit; those that no event takes are left for the exit.
    std::vector<uint8_t> left;
    for (size_t at = 0; at < data_.size(); at += access.size) {
      const auto unit = absl::MakeConstSpan(data_).subspan(at, access.size);
      if (io_events_->Write(access.space, access.address, access.size, LittleEndian(unit))) {
        continue;
      }
      left.insert(left.end(), unit.begin(), unit.end());
    }
    if (left.empty()) return std::nullopt;
    data_ = std::move(left);
  } else {
    pending_read_ = step.number;
  }
  if (access.space == IoEvent::Space::kPort) {
    return IoExit{.port = static_cast<uint16_t>(access.address),
                  .size = access.size,
                  .is_write = access.is_write,
                  .data = absl::MakeSpan(data_)};
  }
  return MmioExit{
      .address = access.address, .is_write = access.is_write, .data = absl::MakeSpan(data_)};
}

void FakeVcpu::Sleep() const {
  pollfd wait = {.fd = wake_.fd(), .events = POLLIN, .revents = 0};
  // An error, such as a signal, only makes the caller look again.
  poll(&wait, 1, -1);
  wake_.Drain();
}

absl::StatusOr<VcpuExit> FakeVcpu::Run() {
  ++entries_;
  for (;;) {
    {
      MutexLock lock(mutex_);
      CompleteRead();
      AcceptInterrupts();
      // Acquire: what the kicking thread wrote before is visible to our caller.
      if (kicked_.exchange(false, std::memory_order_acq_rel)) return InterruptedExit{};
      if (!script_.empty()) {
        const Step step = std::move(script_.front());
        script_.pop_front();
        if (std::optional<VcpuExit> exit = Perform(step)) return *std::move(exit);
        continue;
      }
      if (idle_exit_.has_value()) return *idle_exit_;
    }
    Sleep();
  }
}

void FakeVcpu::Kick() {
  kicked_.store(true, std::memory_order_release);  // pairs with the exchange in Run
  wake_.Signal();
}

absl::Status FakeVcpu::SetRegisters(const GeneralRegisters& registers) {
  registers_ = registers;
  return absl::OkStatus();
}

absl::Status FakeVcpu::SetSpecialRegisters(const SpecialRegisters& registers) {
  special_registers_ = registers;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Msr>> FakeVcpu::GetMsrs(absl::Span<const uint32_t> indices) {
  std::vector<Msr> found;
  for (const uint32_t index : indices) {
    if (refused_msrs_.contains(index)) continue;
    const auto msr = msrs_.find(index);
    found.push_back({index, msr == msrs_.end() ? 0 : msr->second});
  }
  return found;
}

absl::StatusOr<std::vector<uint32_t>> FakeVcpu::SetMsrs(absl::Span<const Msr> msrs) {
  std::vector<uint32_t> refused;
  for (const Msr& msr : msrs) {
    if (refused_msrs_.contains(msr.index)) {
      refused.push_back(msr.index);
    } else {
      msrs_[msr.index] = msr.value;
    }
  }
  return refused;
}

absl::Status FakeVcpu::SetExtendedState(const ExtendedState& state) {
  if (state.xsave.size() != kXsaveSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("XSAVE area of ", state.xsave.size(), " bytes; this vCPU takes ", kXsaveSize));
  }
  extended_state_ = state;
  return absl::OkStatus();
}

absl::Status FakeVcpu::SetLapic(const LapicState& state) {
  lapic_ = state;
  return absl::OkStatus();
}

absl::Status FakeVcpu::SetEvents(const VcpuEvents& events) {
  events_ = events;
  return absl::OkStatus();
}

absl::Status FakeVcpu::SetTscKhz(uint32_t khz) {
  tsc_khz_ = khz;
  return absl::OkStatus();
}

absl::Status FakeVcpu::SetDebug(const DebugControl& control) {
  debug_control_ = control;
  return absl::OkStatus();
}

}  // namespace touchstone
