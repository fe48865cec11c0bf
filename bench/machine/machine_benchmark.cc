// The machine: from nothing to the guest's first byte, and the cost of serving an exit, on the fake
// hypervisor (our own code alone) and on /dev/kvm (an emulating one will do).

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/event/epoll_loop.h"
#include "base/log.h"
#include "base/memory/guest_memory.h"
#include "base/scoped_fd.h"
#include "benchmark/benchmark.h"
#include "devices/bus/bus.h"
#include "hypervisor/fake/fake_hypervisor.h"
#include "hypervisor/kvm/kvm_hypervisor.h"
#include "vmm/config/config.pb.h"
#include "vmm/config/defaults.h"
#include "vmm/machine/build_machine.h"
#include "vmm/machine/lifecycle.h"
#include "vmm/machine/machine.h"
#include "vmm/machine/pause_gate.h"
#include "vmm/machine/vcpu_thread.h"

namespace touchstone {
namespace {

constexpr uint16_t kPort = 0x80;
constexpr uint64_t kMmio = 0x20000;

// A pipe that COM1 writes to.
struct Console {
  Console() {
    int ends[2];
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    reader.Reset(ends[0]);
    writer.Reset(ends[1]);
  }

  void AwaitByte() const {
    char byte;
    CHECK(read(reader.get(), &byte, 1) == 1);
  }

  ScopedFd reader, writer;
};

// first_byte of integration/guests.
RunConfig FirstByteConfig(const Console& console) {
  const char* const runfiles = std::getenv("TEST_SRCDIR");
  RunConfig config;
  config.set_kernel((runfiles == nullptr ? std::string() : std::string(runfiles) + "/touchstone/") +
                    "integration/guests/first_byte");
  config.set_disable_sandbox(true);
  config.mutable_mem()->set_size(128);
  SerialConfig& com1 = *config.add_serial();
  com1.set_type(SerialConfig::FILE);
  com1.set_path("/proc/self/fd/" + std::to_string(console.writer.get()));
  com1.set_console(true);
  ApplyDefaults(config);
  return config;
}

// One machine from nothing to its first byte; the time stops there.
void FirstByte(benchmark::State& state, Hypervisor& hypervisor) {
  const Console console;
  const RunConfig config = FirstByteConfig(console);
  for (auto _ : state) {
    const absl::Duration start = SystemClock().Monotonic();
    const std::unique_ptr<EpollLoop> loop = EpollLoop::Create().value();
    absl::StatusOr<std::unique_ptr<Machine>> machine =
        BuildMachine(config, {&hypervisor, loop.get(), &SystemClock()}, [&loop] { loop->Stop(); });
    if (!machine.ok()) {
      state.SkipWithError(std::string(machine.status().message()).c_str());
      break;
    }
    (*machine)->Start();
    console.AwaitByte();
    state.SetIterationTime(absl::ToDoubleSeconds(SystemClock().Monotonic() - start));
    loop->Run();
    (*machine)->Stop();
  }
}

void BM_FirstByteFake(benchmark::State& state) {
  FakeHypervisor hypervisor;
  hypervisor.OnVcpu([](FakeVcpu& vcpu) {
    vcpu.Script(FakeExit::Out(0x3F8, 1, '!'));
    vcpu.Script(FakeExit::Out(0x64, 1, 0xFE));
  });
  FirstByte(state, hypervisor);
}
BENCHMARK(BM_FirstByteFake)->UseManualTime()->Unit(benchmark::kMicrosecond);

void BM_FirstByteKvm(benchmark::State& state) {
  absl::StatusOr<std::unique_ptr<Hypervisor>> kvm = OpenKvm("/dev/kvm");
  if (!kvm.ok()) {
    state.SkipWithError("no /dev/kvm");
    return;
  }
  FirstByte(state, **kvm);
}
BENCHMARK(BM_FirstByteKvm)->UseManualTime()->Unit(benchmark::kMicrosecond);

// Ends the run after so many writes.
class CountingDevice final : public BusDevice {
 public:
  CountingDevice(int64_t count, Lifecycle& lifecycle) : left_(count), lifecycle_(lifecycle) {}

  void Read(uint64_t, absl::Span<uint8_t>) override {}
  void Write(uint64_t, absl::Span<const uint8_t>) override {
    if (--left_ == 0) lifecycle_.End(EndOfRun::kStopped);
  }

 private:
  int64_t left_;
  Lifecycle& lifecycle_;
};

// Runs a vCPU that does nothing but write to the device, through the machine's dispatch.
void Dispatch(benchmark::State& state, std::unique_ptr<Vcpu> vcpu) {
  std::atomic<bool> ended = false;
  Lifecycle lifecycle([&ended] {
    ended = true;
    ended.notify_one();
  });
  CountingDevice device(static_cast<int64_t>(state.max_iterations), lifecycle);
  Bus ports("port", Bus::kLastPort), mmio("MMIO", Bus::kLastMmioAddress);
  CHECK(ports.Insert({kPort, 1}, "counter", &device).ok());
  CHECK(mmio.Insert({kMmio, 0x1000}, "counter", &device).ok());
  PauseGate gate;
  VcpuThread thread(std::move(vcpu), 0, {&ports, &mmio, &lifecycle, &gate});
  bool started = false;
  for (auto _ : state) {
    if (started) continue;  // the first pass does them all
    started = true;
    thread.Start();
    ended.wait(false);
  }
  thread.Stop();
}

// A guest of one instruction and a jump back to it.
struct LoopingGuest {
  // mov %al, 0 or out %al, $0x80; with the jump.
  explicit LoopingGuest(bool use_mmio) {
    absl::StatusOr<std::unique_ptr<Hypervisor>> kvm = OpenKvm("/dev/kvm");
    if (!kvm.ok()) return;
    hypervisor = *std::move(kvm);
    memory = GuestMemory::Create({{GuestAddress{0}, 0x10000}}, {.huge_pages = false}).value();
    const std::string code = use_mmio ? std::string("\xA2\x00\x00\xEB\xFB", 5) : "\xE6\x80\xEB\xFC";
    CHECK(memory
              .Write(GuestAddress{0x1000},
                     {reinterpret_cast<const uint8_t*>(code.data()), code.size()})
              .ok());
    vm = hypervisor->CreateVm().value();
    const GuestMemory::Region& region = memory.regions()[0];
    CHECK(vm->SetMemory(0, {.start = region.start, .size = region.size, .host = region.host}).ok());
    vcpu = vm->CreateVcpu(0, {}).value();
    SpecialRegisters special = vcpu->GetSpecialRegisters().value();
    special.cs.base = 0;
    special.cs.selector = 0;
    special.ds.base = kMmio;
    special.ds.selector = kMmio >> 4;
    CHECK(vcpu->SetSpecialRegisters(special).ok());
    CHECK(vcpu->SetRegisters({.rip = 0x1000, .rflags = 2}).ok());
  }

  std::unique_ptr<Hypervisor> hypervisor;
  GuestMemory memory;
  std::unique_ptr<Vm> vm;
  std::unique_ptr<Vcpu> vcpu;
};

// The floor: what KVM itself takes, the exit's translation included.
void BM_ExitKvmAlone(benchmark::State& state) {
  const LoopingGuest guest(state.range(0) != 0);
  if (guest.vcpu == nullptr) {
    state.SkipWithError("no /dev/kvm");
    return;
  }
  for (auto _ : state) benchmark::DoNotOptimize(guest.vcpu->Run());
}
BENCHMARK(BM_ExitKvmAlone)->ArgName("mmio")->Arg(0)->Arg(1)->UseRealTime();

void BM_ExitKvmDispatched(benchmark::State& state) {
  LoopingGuest guest(state.range(0) != 0);
  if (guest.vcpu == nullptr) {
    state.SkipWithError("no /dev/kvm");
    return;
  }
  Dispatch(state, std::move(guest.vcpu));
}
BENCHMARK(BM_ExitKvmDispatched)->ArgName("mmio")->Arg(0)->Arg(1)->UseRealTime();

void BM_ExitFakeDispatched(benchmark::State& state) {
  FakeHypervisor hypervisor;
  const std::unique_ptr<Vm> vm = hypervisor.CreateVm().value();
  std::unique_ptr<Vcpu> vcpu = vm->CreateVcpu(0, {}).value();
  uint8_t byte = 0;
  static_cast<FakeVcpu&>(*vcpu).set_idle_exit(
      VcpuExit(IoExit{.port = kPort, .size = 1, .is_write = true, .data = {&byte, 1}}));
  Dispatch(state, std::move(vcpu));
}
BENCHMARK(BM_ExitFakeDispatched)->UseRealTime();

}  // namespace
}  // namespace touchstone
