// Register accesses of the devices that a guest reads clocks from, and of pvpanic.

#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "base/event/epoll_loop.h"
#include "benchmark/benchmark.h"
#include "devices/irq/recording_irq_line.h"
#include "devices/platform/acpi_pm/acpi_pm.h"
#include "devices/platform/pvpanic/pvpanic.h"
#include "devices/platform/rtc/rtc.h"

namespace touchstone {
namespace {

void BM_PmTimer(benchmark::State& state) {
  const std::unique_ptr<EpollLoop> loop = EpollLoop::Create().value();
  RecordingIrqLine sci;
  AcpiPm pm(SystemClock(), *loop, sci, {});
  uint8_t data[4];
  for (auto _ : state) {
    pm.Read(kPmTimerOffset, absl::MakeSpan(data));
    benchmark::DoNotOptimize(data);
  }
}
BENCHMARK(BM_PmTimer);

void BM_PmStatus(benchmark::State& state) {
  const std::unique_ptr<EpollLoop> loop = EpollLoop::Create().value();
  RecordingIrqLine sci;
  AcpiPm pm(SystemClock(), *loop, sci, {});
  uint8_t data[2];
  for (auto _ : state) {
    pm.Read(kPm1StatusOffset, absl::MakeSpan(data));
    benchmark::DoNotOptimize(data);
  }
}
BENCHMARK(BM_PmStatus);

// One register by index and data port.
void BM_RtcRegister(benchmark::State& state) {
  const std::unique_ptr<EpollLoop> loop = EpollLoop::Create().value();
  RecordingIrqLine irq;
  Rtc rtc(SystemClock(), *loop, irq, {}, nullptr);
  const auto index = static_cast<uint8_t>(state.range(0));
  uint8_t value = 0;
  for (auto _ : state) {
    rtc.Write(kRtcIndexOffset, absl::MakeConstSpan(&index, 1));
    rtc.Read(kRtcDataOffset, absl::MakeSpan(&value, 1));
    benchmark::DoNotOptimize(value);
  }
}
BENCHMARK(BM_RtcRegister)->Arg(kRtcSeconds)->Arg(kRtcRegisterA)->Arg(kCmosMemoryAbove16M);

// The known events, which a driver reads, and an event, of which the machine is told.
void BM_Pvpanic(benchmark::State& state) {
  uint64_t told = 0;
  Pvpanic pvpanic([&told](uint8_t events) { told += events; });
  uint8_t events = 0;
  for (auto _ : state) {
    pvpanic.Read(0, absl::MakeSpan(&events, 1));
    pvpanic.Write(0, absl::MakeConstSpan(&events, 1));
  }
  benchmark::DoNotOptimize(told);
}
BENCHMARK(BM_Pvpanic);

}  // namespace
}  // namespace touchstone
