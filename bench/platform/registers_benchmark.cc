// Register accesses of the platform devices beside the serial ports.

#include <sys/mman.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/event/epoll_loop.h"
#include "benchmark/benchmark.h"
#include "devices/irq/recording_irq_line.h"
#include "devices/platform/acpi_pm/acpi_pm.h"
#include "devices/platform/debugcon/debugcon.h"
#include "devices/platform/flash/flash.h"
#include "devices/platform/fw_cfg/fw_cfg.h"
#include "devices/platform/i8042/i8042.h"
#include "devices/platform/pvpanic/pvpanic.h"
#include "devices/platform/rtc/rtc.h"
#include "devices/platform/serial/serial_testing.h"

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

// A byte programmed, which goes to the file, and read again: what firmware does for each byte of a
// variable.
void BM_FlashProgram(benchmark::State& state) {
  constexpr size_t kSize = 4096;
  Flash flash(ScopedFd(memfd_create("flash", MFD_CLOEXEC)), std::vector<uint8_t>(kSize), kSize);
  uint8_t byte = 0;
  for (auto _ : state) {
    ++byte;
    flash.Write(0, {&Flash::kProgram, 1});
    flash.Write(0, {&byte, 1});
    flash.Write(0, {&Flash::kReadArray, 1});
    flash.Read(0, absl::MakeSpan(&byte, 1));
  }
  benchmark::DoNotOptimize(byte);
}
BENCHMARK(BM_FlashProgram);

// Firmware looks for the port, then writes a byte.
void BM_Debugcon(benchmark::State& state) {
  NullOutput output;
  Debugcon port(output);
  uint8_t byte = 0;
  for (auto _ : state) {
    port.Read(0, absl::MakeSpan(&byte, 1));
    port.Write(0, absl::MakeConstSpan(&byte, 1));
    benchmark::DoNotOptimize(byte);
  }
}
BENCHMARK(BM_Debugcon);

// What a reboot does: the status is read until the controller listens, then the line is pulsed.
void BM_I8042Reset(benchmark::State& state) {
  uint64_t resets = 0;
  I8042 controller(I8042::kFirstPort, 0, [&resets] { ++resets; });
  constexpr uint64_t kCommand = I8042::kCommandPort - I8042::kFirstPort;
  const uint8_t pulse = I8042::kPulseReset;
  uint8_t status = 0;
  for (auto _ : state) {
    controller.Read(kCommand, absl::MakeSpan(&status, 1));
    controller.Write(kCommand, absl::MakeConstSpan(&pulse, 1));
    benchmark::DoNotOptimize(status);
  }
  benchmark::DoNotOptimize(resets);
}
BENCHMARK(BM_I8042Reset);

// A file of 4 KiB, as Linux's driver reads it: its number, then byte by byte.
void BM_FwCfgFile(benchmark::State& state) {
  constexpr size_t kSize = 4096;
  FwCfg fw_cfg({{"opt/file", std::vector<uint8_t>(kSize, 'x')}});
  uint8_t byte = 0;
  for (auto _ : state) {
    fw_cfg.Write(FwCfg::kSelector, {FwCfg::kFirstFileItem, 0});
    for (size_t i = 0; i < kSize; ++i) {
      fw_cfg.Read(FwCfg::kData, absl::MakeSpan(&byte, 1));
      benchmark::DoNotOptimize(byte);
    }
  }
  state.SetBytesProcessed(state.iterations() * int64_t{kSize});
}
BENCHMARK(BM_FwCfgFile);

}  // namespace
}  // namespace touchstone
