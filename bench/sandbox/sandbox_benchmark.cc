// Jailed entropy devices, as many as the argument says: until their processes have been started,
// until all have answered, and their memory then, with that of the process that makes them. The
// program that they run is the real one.

#include <sys/types.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/event/epoll_loop.h"
#include "base/log.h"
#include "benchmark/benchmark.h"
#include "vmm/jail/spawn_server.h"
#include "vmm/machine/device_host.h"
#include "vmm/machine/hosted_device.h"
#include "vmm/machine/jail_requests.h"

namespace touchstone {
namespace {

using Devices = std::vector<std::unique_ptr<HostedDevice>>;

// Takes so many, as a machine does: all are started before any is asked anything.
class Machine {
 public:
  explicit Machine(int64_t devices) : count_(devices) {
    request_.config.set_name("rng");
    CHECK(jails_.Host(request_).value()->features() != 0);  // The program's pages are in memory.
  }

  Devices Start() {
    Devices devices;
    for (int64_t i = 0; i < count_; ++i) devices.push_back(jails_.Host(request_).value());
    return devices;
  }
  static void End(Devices devices) {
    for (const auto& device : devices) device->BeginEnd();
  }

 private:
  const int64_t count_;
  JailRequest request_ = RngJail();
  const DeviceHost::Options options_ = {.executable = "vmm/touchstone"};
  std::unique_ptr<SpawnServer> server_ = SpawnServer::Start(DeviceHost::Program(options_)).value();
  std::unique_ptr<EpollLoop> loop_ = EpollLoop::Create().value();
  DeviceHost jails_{*loop_, {.executable = options_.executable, .server = server_.get()}};
};

void UntilStarted(benchmark::State& state) {
  Machine machine(state.range(0));
  for ([[maybe_unused]] const auto _ : state) {
    Devices devices = machine.Start();
    state.PauseTiming();
    for (const auto& device : devices) CHECK(device->features() != 0);
    Machine::End(std::move(devices));
    state.ResumeTiming();
  }
}
BENCHMARK(UntilStarted)->Arg(1)->Arg(10)->UseRealTime()->Unit(benchmark::kMillisecond);

void UntilAnswered(benchmark::State& state) {
  Machine machine(state.range(0));
  for ([[maybe_unused]] const auto _ : state) {
    Devices devices = machine.Start();
    for (const auto& device : devices) CHECK(device->features() != 0);
    state.PauseTiming();
    Machine::End(std::move(devices));
    state.ResumeTiming();
  }
}
BENCHMARK(UntilAnswered)->Arg(1)->Arg(10)->UseRealTime()->Unit(benchmark::kMillisecond);

void UntilEnded(benchmark::State& state) {
  Machine machine(state.range(0));
  for ([[maybe_unused]] const auto _ : state) {
    state.PauseTiming();
    Devices devices = machine.Start();
    for (const auto& device : devices) CHECK(device->features() != 0);
    state.ResumeTiming();
    Machine::End(std::move(devices));
  }
}
BENCHMARK(UntilEnded)->Arg(1)->Arg(10)->UseRealTime()->Unit(benchmark::kMillisecond);

// /proc/PID/smaps_rollup.
double PssKib(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/smaps_rollup"));
  for (std::string word; file >> word;) {
    double kib = 0;
    if (word == "Pss:" && file >> kib) return kib;
  }
  return 0;
}

// Of its first thread.
std::vector<pid_t> ChildrenOf(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/task/", pid, "/children"));
  return {std::istream_iterator<pid_t>(file), std::istream_iterator<pid_t>()};
}

void Memory(benchmark::State& state) {
  Machine machine(state.range(0));
  Devices devices = machine.Start();
  double kib = 0;
  for (const auto& device : devices) CHECK(device->features() != 0);
  for (const pid_t server : ChildrenOf(getpid())) {
    kib += PssKib(server);
    for (const pid_t device : ChildrenOf(server)) kib += PssKib(device);
  }
  for ([[maybe_unused]] const auto _ : state) benchmark::DoNotOptimize(kib);
  state.counters["PSS_KiB"] = kib;
  Machine::End(std::move(devices));
}
BENCHMARK(Memory)->Arg(1)->Arg(10)->Iterations(1);

}  // namespace
}  // namespace touchstone
