#include "vmm/machine/pause_gate.h"

#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "hypervisor/fake/fake_hypervisor.h"

namespace touchstone {
namespace {

using Reason = PauseGate::Reason;

class PauseGateTest : public testing::Test {
 protected:
  PauseGateTest() : vm_(*hypervisor_.CreateVm()) { EXPECT_TRUE(vm_->CreateIrqChip().ok()); }
  ~PauseGateTest() override { EndThreads(); }

  // A vCPU's thread as VcpuThread is one.
  void StartThread() {
    vcpus_.push_back(*vm_->CreateVcpu(static_cast<uint32_t>(vcpus_.size()), {}));
    Vcpu& vcpu = *vcpus_.back();
    gate_.Add(vcpu);
    threads_.emplace_back([this, &vcpu] {
      while (!stopping_) {
        if (vcpu.Run().ok() && gate_.Wait(vcpu, stopping_)) ++waits_;
      }
    });
  }
  void EndThreads() {
    stopping_ = true;
    gate_.Wake();
    for (auto& vcpu : vcpus_) vcpu->Kick();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  // Closes the gate and waits until it says so.
  void CloseAndAwait(Reason reason) {
    std::atomic<bool> done{false};
    gate_.Close(reason, [&done] {
      done = true;
      done.notify_all();
    });
    done.wait(false);
  }

  FakeHypervisor hypervisor_;
  std::unique_ptr<Vm> vm_;
  std::vector<std::unique_ptr<Vcpu>> vcpus_;
  PauseGate gate_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> waits_{0};
  std::vector<std::thread> threads_;
};

TEST_F(PauseGateTest, AllVcpusWaitAndGoOn) {
  for (int i = 0; i < 3; ++i) StartThread();

  CloseAndAwait(Reason::kHost);
  EXPECT_TRUE(gate_.closed(Reason::kHost));
  EXPECT_EQ(waits_, 0);
  gate_.Open(Reason::kHost);

  while (waits_ < 3) std::this_thread::yield();
  EXPECT_FALSE(gate_.closed(Reason::kHost));
}

TEST_F(PauseGateTest, WhoClosesItAgainIsDoneAtOnce) {
  StartThread();
  CloseAndAwait(Reason::kHost);
  int done = 0;

  gate_.Close(Reason::kHost, [&done] { ++done; });

  EXPECT_EQ(done, 1);
}

TEST_F(PauseGateTest, EachReasonKeepsItClosed) {
  StartThread();
  CloseAndAwait(Reason::kHost);
  CloseAndAwait(Reason::kSleep);

  gate_.Open(Reason::kHost);
  EXPECT_TRUE(gate_.closed(Reason::kSleep));
  EXPECT_EQ(waits_, 0);
  gate_.Open(Reason::kSleep);

  while (waits_ < 1) std::this_thread::yield();
}

TEST_F(PauseGateTest, ThreadsEndWhileItIsClosed) {
  for (int i = 0; i < 2; ++i) StartThread();
  CloseAndAwait(Reason::kHost);

  EndThreads();

  EXPECT_TRUE(gate_.closed(Reason::kHost));
}

// A vCPU that never comes, as if it were long in a device.
TEST_F(PauseGateTest, OpeningItAnswersWhoStillWaitsForIt) {
  const std::unique_ptr<Vcpu> away = *vm_->CreateVcpu(7, {});
  gate_.Add(*away);
  int done = 0;
  gate_.Close(Reason::kHost, [&done] { ++done; });
  EXPECT_EQ(done, 0);

  gate_.Open(Reason::kHost);

  EXPECT_EQ(done, 1);
}

TEST_F(PauseGateTest, TheOneWhoIsDoneMayUseTheGate) {
  StartThread();
  std::atomic<bool> opened{false};

  gate_.Close(Reason::kHost, [&] {
    gate_.Open(Reason::kHost);
    opened = true;
    opened.notify_all();
  });
  opened.wait(false);

  EXPECT_FALSE(gate_.closed(Reason::kHost));
}

TEST_F(PauseGateTest, HeldVcpusWaitWhileTheOthersRun) {
  for (int i = 0; i < 2; ++i) StartThread();
  CloseAndAwait(Reason::kDebugger);

  gate_.Hold({vcpus_[0].get()});
  gate_.Open(Reason::kDebugger);
  while (waits_ < 1) std::this_thread::yield();
  CloseAndAwait(Reason::kDebugger);
  EXPECT_EQ(waits_, 1);

  gate_.Hold({});
  gate_.Open(Reason::kDebugger);
  while (waits_ < 3) std::this_thread::yield();
}

TEST_F(PauseGateTest, ManyRoundsLoseNobody) {
  for (int i = 0; i < 4; ++i) StartThread();

  for (int round = 0; round < 500; ++round) {
    CloseAndAwait(Reason::kHost);
    gate_.Open(Reason::kHost);
  }

  CloseAndAwait(Reason::kHost);
  EXPECT_TRUE(gate_.closed(Reason::kHost));
}

}  // namespace
}  // namespace touchstone
