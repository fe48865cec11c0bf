// A guest that counts is saved in the middle and goes on in another machine, on a real /dev/kvm.

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/event/epoll_loop.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/kvm/kvm_hypervisor.h"
#include "vmm/config/config.pb.h"
#include "vmm/config/defaults.h"
#include "vmm/machine/build_machine.h"
#include "vmm/machine/machine.h"
#include "vmm/machine/machine_shape.h"
#include "vmm/machine/machine_state.h"

namespace touchstone {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::Duration kLimit = absl::Seconds(120);
constexpr size_t kMemory = 16 << 20;

struct Shape {
  const char* name;
  uint32_t cpus;
  bool split;
};

std::string GuestPath() {
  const char* const runfiles = std::getenv("TEST_SRCDIR");
  const std::string relative = "integration/guests/count_guest";
  return runfiles == nullptr ? relative : absl::StrCat(runfiles, "/touchstone/", relative);
}

// One machine with the guest; what it prints is added to `output`.
class CountingMachine {
 public:
  CountingMachine(const Shape& shape, bool restored, std::string& output)
      : loop_(*EpollLoop::Create()), hypervisor_(OpenKvm("/dev/kvm").value()), output_(output) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    reader_.Reset(ends[0]);
    writer_.Reset(ends[1]);
    RunConfig config;
    config.set_kernel(GuestPath());
    config.mutable_cpus()->set_num_cores(shape.cpus);
    config.set_disable_sandbox(true);
    config.mutable_mem()->set_size(kMemory >> 20);
    config.add_params(absl::StrCat("cpus=", shape.cpus));
    if (shape.split) config.set_split_irqchip(true);
    SerialConfig& com1 = *config.add_serial();
    com1.set_type(SerialConfig::FILE);
    com1.set_path(absl::StrCat("/proc/self/fd/", writer_.get()));
    com1.set_console(true);
    ApplyDefaults(config);
    watch_ = loop_->OnReadable(reader_.get(), [this] { Read(); });
    machine_ = BuildMachine(config,
                            {.hypervisor = hypervisor_.get(),
                             .loop = loop_.get(),
                             .clock = &SystemClock(),
                             .restored = restored},
                            [this] { loop_->Stop(); });
  }

  // Why there is no machine.
  [[nodiscard]] absl::Status status() const { return machine_.status(); }
  Machine& machine() { return **machine_; }

  void RunUntil(std::string text) {
    until_ = std::move(text);
    const Watch limit = loop_->After(kLimit, [this] { loop_->Stop(); });
    loop_->Run();
    until_.clear();
  }

  // As `suspend --full` does it.
  absl::Status Suspend() {
    machine().Suspend([this] { loop_->Post([this] { loop_->Stop(); }); });
    loop_->Run();
    return machine().SleepDevices();
  }

  // All that was printed is in the output afterwards.
  void Stop() {
    machine().Stop();
    Read();
  }

 private:
  void Read() {
    char buffer[4096];
    for (ssize_t size; (size = read(reader_.get(), buffer, sizeof(buffer))) > 0;) {
      output_.append(buffer, static_cast<size_t>(size));
    }
    if (!until_.empty() && absl::StrContains(output_, until_)) loop_->Stop();
  }

  const std::unique_ptr<EpollLoop> loop_;
  const std::unique_ptr<Hypervisor> hypervisor_;
  std::string& output_;
  std::string until_;
  ScopedFd reader_, writer_;
  Watch watch_;
  absl::StatusOr<std::unique_ptr<Machine>> machine_;
};

class SavedMachineTest : public testing::TestWithParam<Shape> {};

TEST_P(SavedMachineTest, AGuestCountsOnInAnotherMachine) {
  std::string output, bytes;
  std::vector<uint8_t> memory(kMemory);
  uint64_t clock = 0;
  {
    CountingMachine first(GetParam(), /*restored=*/false, output);
    if (absl::IsUnimplemented(first.status())) GTEST_SKIP() << first.status();
    ASSERT_TRUE(first.status().ok()) << first.status();
    first.machine().Start();
    first.RunUntil("line 20\n");
    ASSERT_TRUE(first.Suspend().ok());
    const absl::StatusOr<MachineState> state = SaveMachine(first.machine());
    ASSERT_TRUE(state.ok()) << state.status();
    ASSERT_TRUE(first.machine().memory().Read(GuestAddress{0}, absl::MakeSpan(memory)).ok());
    bytes = state->SerializeAsString();
    clock = state->clock_ns();
    first.Stop();
  }
  ASSERT_THAT(output, Not(HasSubstr("line 59\n"))) << "it was saved too late";

  CountingMachine second(GetParam(), /*restored=*/true, output);
  ASSERT_TRUE(second.status().ok()) << second.status();
  MachineState state;
  ASSERT_TRUE(state.ParseFromString(bytes));
  ASSERT_TRUE(CheckShape(state.shape(), ShapeOf(second.machine())).ok());
  ASSERT_TRUE(second.machine().memory().Write(GuestAddress{0}, memory).ok());
  const absl::Status restored = RestoreMachine(second.machine(), state);
  ASSERT_TRUE(restored.ok()) << restored;
  const uint64_t clock_here = second.machine().parts().vm->GetClock()->nanoseconds;
  second.machine().Start();
  second.machine().WakeDevices();
  second.machine().Resume();
  second.RunUntil("done\n");
  second.Stop();

  std::string expected;
  for (int line = 0; line < 60; ++line) absl::StrAppend(&expected, "line ", line, "\n");
  EXPECT_THAT(output, HasSubstr(expected));
  EXPECT_THAT(output, Not(HasSubstr("FAIL")));
  EXPECT_THAT(output, EndsWith("done\n"));
  EXPECT_GE(clock_here, clock);
  EXPECT_LT(clock_here - clock, 5'000'000'000u);
}

TEST_P(SavedMachineTest, AGuestCountsOnInItsOwnMachine) {
  std::string output;
  CountingMachine machine(GetParam(), /*restored=*/false, output);
  if (absl::IsUnimplemented(machine.status())) GTEST_SKIP() << machine.status();
  ASSERT_TRUE(machine.status().ok()) << machine.status();
  machine.machine().Start();
  machine.RunUntil("line 20\n");
  ASSERT_TRUE(machine.Suspend().ok());

  ASSERT_TRUE(SaveMachine(machine.machine()).ok());
  machine.machine().WakeDevices();
  machine.machine().Resume();
  machine.RunUntil("done\n");
  machine.Stop();

  EXPECT_THAT(output, Not(HasSubstr("FAIL")));
  EXPECT_THAT(output, EndsWith("done\n"));
}

INSTANTIATE_TEST_SUITE_P(Shapes, SavedMachineTest,
                         testing::Values(Shape{"OneProcessor", 1, false},
                                         Shape{"TwoProcessors", 2, false},
                                         Shape{"TwoProcessorsSplit", 2, true}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace touchstone
