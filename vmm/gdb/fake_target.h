// A machine of vCPUs that execute nothing, for tests and fuzzers: remembers how it was told to go
// on, and stops when it is told to.
//
// Thread-compatible.

#ifndef TOUCHSTONE_VMM_GDB_FAKE_TARGET_H_
#define TOUCHSTONE_VMM_GDB_FAKE_TARGET_H_

#include <functional>
#include <utility>
#include <vector>

#include "vmm/gdb/target.h"

namespace touchstone {

class FakeTarget final : public GdbTarget {
 public:
  // 64 KiB of memory, without paging.
  explicit FakeTarget(uint32_t vcpus) : states(vcpus) {
    for (GdbCpuState& state : states) state.extended.xsave.resize(4096);
  }

  [[nodiscard]] uint32_t vcpu_count() const override {
    return static_cast<uint32_t>(states.size());
  }
  [[nodiscard]] const GuestMemory& memory() const override { return memory_; }

  void Halt(std::function<void()> then) override {
    ++halts;
    then();
  }
  absl::StatusOr<GdbCpuState> ReadState(uint32_t vcpu) override { return states[vcpu]; }
  absl::Status WriteState(uint32_t vcpu, const GdbCpuState& state) override {
    states[vcpu] = state;
    return absl::OkStatus();
  }
  absl::Status Resume(const GdbRun& run, std::function<void(const GdbStop&)> stopped) override {
    if (!resume_status.ok()) return resume_status;
    last_run = run;
    stopped_ = std::move(stopped);
    return absl::OkStatus();
  }
  void Interrupt() override {
    if (running()) Stop({.reason = GdbStop::Reason::kInterrupt});
  }
  void Detach() override {
    ++detached;
    stopped_ = nullptr;
  }
  void Kill() override { ++killed; }

  [[nodiscard]] bool running() const { return stopped_ != nullptr; }
  // REQUIRES: running.
  void Stop(const GdbStop& stop) { std::exchange(stopped_, nullptr)(stop); }

  std::vector<GdbCpuState> states;
  absl::Status resume_status;
  GdbRun last_run;
  int halts = 0;
  int detached = 0;
  int killed = 0;

 private:
  const GuestMemory memory_ = GuestMemory::Create({{{GuestAddress{0}, 0x10000}}}, {}).value();
  std::function<void(const GdbStop&)> stopped_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_GDB_FAKE_TARGET_H_
