// A vCPU that follows a script instead of running guest code.
//
// Run carries out the script's next step. A write that an ioeventfd of the VM matches signals it
// and Run goes on; any other step is an exit. With the script at its end Run returns the exit of
// set_idle_exit or, without one, blocks until Script or Kick.
//
// State is stored and returned as it was set. Script, answers and Kick may be called from any
// thread while another one runs the vCPU; the rest is as Vcpu says.

#ifndef TOUCHSTONE_HYPERVISOR_FAKE_FAKE_VCPU_H_
#define TOUCHSTONE_HYPERVISOR_FAKE_FAKE_VCPU_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/event_fd.h"
#include "base/mutex.h"
#include "hypervisor/external_interrupts.h"
#include "hypervisor/fake/fake_exit.h"
#include "hypervisor/fake/fake_io_events.h"
#include "hypervisor/vcpu.h"

namespace touchstone {

class FakeVcpu final : public Vcpu {
 public:
  FakeVcpu(uint32_t id, std::shared_ptr<FakeIoEvents> io_events, absl::Span<const CpuidEntry> cpuid,
           ExternalInterrupts* external = nullptr);

  // Appends a step; returns its number.
  size_t Script(FakeExit exit);
  // What a read step was answered, known from the Run after its exit on.
  [[nodiscard]] std::optional<std::vector<uint8_t>> Answer(size_t step) const;
  // The same as a little-endian number of up to 8 bytes.
  [[nodiscard]] std::optional<uint64_t> AnswerValue(size_t step) const;
  // Steps that are still to come.
  [[nodiscard]] size_t remaining() const;
  // What Run returns when the script is at its end; nullopt blocks.
  void set_idle_exit(std::optional<VcpuExit> exit);
  // Whether the guest takes external interrupts: before each step then, all that are pending. As a
  // processor after reset it does not.
  void set_interruptible(bool interruptible);
  // The vectors of those taken since the last call.
  std::vector<uint8_t> TakeExternalInterrupts();
  // Makes SetMsrs and GetMsrs refuse this one.
  void RefuseMsr(uint32_t index);

  [[nodiscard]] uint32_t id() const { return id_; }
  [[nodiscard]] int noted_pauses() const { return noted_pauses_; }
  [[nodiscard]] const std::vector<CpuidEntry>& cpuid() const { return cpuid_; }
  [[nodiscard]] const DebugControl& debug_control() const { return debug_control_; }

  absl::StatusOr<VcpuExit> Run() override;
  void Kick() override;
  void NotePause() override { ++noted_pauses_; }

  absl::StatusOr<GeneralRegisters> GetRegisters() override { return registers_; }
  absl::Status SetRegisters(const GeneralRegisters& registers) override;
  absl::StatusOr<SpecialRegisters> GetSpecialRegisters() override { return special_registers_; }
  absl::Status SetSpecialRegisters(const SpecialRegisters& registers) override;
  // Every MSR exists and starts as 0, except those refused.
  absl::StatusOr<std::vector<Msr>> GetMsrs(absl::Span<const uint32_t> indices) override;
  absl::StatusOr<std::vector<uint32_t>> SetMsrs(absl::Span<const Msr> msrs) override;
  absl::StatusOr<ExtendedState> GetExtendedState() override { return extended_state_; }
  absl::Status SetExtendedState(const ExtendedState& state) override;
  absl::StatusOr<LapicState> GetLapic() override { return lapic_; }
  absl::Status SetLapic(const LapicState& state) override;
  absl::StatusOr<VcpuEvents> GetEvents() override { return events_; }
  absl::Status SetEvents(const VcpuEvents& events) override;
  absl::StatusOr<uint32_t> GetTscKhz() override { return tsc_khz_; }
  absl::Status SetTscKhz(uint32_t khz) override;
  absl::Status SetDebug(const DebugControl& control) override;
  // "entries": calls of Run.
  [[nodiscard]] absl::StatusOr<std::vector<VcpuCounter>> Counters() const override {
    return std::vector<VcpuCounter>{{"entries", entries_.load()}};
  }

 private:
  struct Step {
    size_t number;
    FakeExit exit;
  };

  void AcceptInterrupts() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Keeps the answer to the last exit, when it was a read.
  void CompleteRead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The exit that `step` makes; nullopt when ioeventfds took it.
  std::optional<VcpuExit> Perform(const Step& step) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Blocks until something signals wake_.
  void Sleep() const;

  const uint32_t id_;
  const std::shared_ptr<FakeIoEvents> io_events_;
  const std::vector<CpuidEntry> cpuid_;
  ExternalInterrupts* const external_;
  // Kick is async-signal-safe, so it takes no lock.
  const EventFd wake_;
  std::atomic<bool> kicked_{false};
  std::atomic<int> noted_pauses_{0};
  std::atomic<uint64_t> entries_{0};

  mutable Mutex mutex_;
  std::deque<Step> script_ ABSL_GUARDED_BY(mutex_);
  size_t next_number_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<VcpuExit> idle_exit_ ABSL_GUARDED_BY(mutex_);
  std::map<size_t, std::vector<uint8_t>> answers_ ABSL_GUARDED_BY(mutex_);
  std::optional<size_t> pending_read_ ABSL_GUARDED_BY(mutex_);
  bool interruptible_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<uint8_t> external_vectors_ ABSL_GUARDED_BY(mutex_);

  // The run area: what an exit's data span points to. The running thread's alone.
  std::vector<uint8_t> data_;
  GeneralRegisters registers_;
  SpecialRegisters special_registers_;
  std::set<uint32_t> refused_msrs_;
  std::map<uint32_t, uint64_t> msrs_;
  ExtendedState extended_state_;
  LapicState lapic_ = {};
  VcpuEvents events_;
  uint32_t tsc_khz_ = 2'000'000;
  DebugControl debug_control_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_FAKE_FAKE_VCPU_H_
