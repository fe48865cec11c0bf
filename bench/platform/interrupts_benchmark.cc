// The interrupt controllers and the timer of --irqchip split, up to where the hypervisor comes in.

#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "base/event/epoll_loop.h"
#include "benchmark/benchmark.h"
#include "devices/irq/recording_irq_line.h"
#include "devices/platform/ioapic/ioapic.h"
#include "devices/platform/ioapic/recording_ioapic_target.h"
#include "devices/platform/pic/pic.h"
#include "devices/platform/pit/pit.h"

namespace touchstone {
namespace {

void Out(BusDevice& ports, uint64_t offset, uint8_t value) {
  ports.Write(offset, absl::MakeConstSpan(&value, 1));
}

// A device's edge until the processor is done with it.
void BM_PicInterrupt(benchmark::State& state) {
  Pic pic([](bool) {});
  Out(pic.primary(), kPicCommandOffset, kPicIcw1 | kPicIcw1Icw4);
  for (const uint8_t word : {0x30, 0x04, 0x01}) Out(pic.primary(), kPicDataOffset, word);
  for (auto _ : state) {
    pic.SetInput(4, true);
    benchmark::DoNotOptimize(pic.Acknowledge());
    Out(pic.primary(), kPicCommandOffset, kPicEoi);
    pic.SetInput(4, false);
  }
}
BENCHMARK(BM_PicInterrupt);

void ProgramEntry(Ioapic& ioapic, int input, uint32_t low) {
  Out(ioapic, kIoapicSelect, static_cast<uint8_t>(kIoapicRedirection + 2 * input));
  const uint8_t bytes[4] = {static_cast<uint8_t>(low), static_cast<uint8_t>(low >> 8), 0, 0};
  ioapic.Write(kIoapicWindow, absl::MakeConstSpan(bytes));
}

// A serial port's interrupt: an edge.
void BM_IoapicEdge(benchmark::State& state) {
  RecordingIoapicTarget target;
  Ioapic ioapic(target);
  ProgramEntry(ioapic, 4, 0x41);
  for (auto _ : state) {
    ioapic.SetInput(4, true);
    ioapic.SetInput(4, false);
  }
}
BENCHMARK(BM_IoapicEdge);

// A PCI function's INTx: a level, up to the end of the interrupt.
void BM_IoapicLevel(benchmark::State& state) {
  RecordingIoapicTarget target;
  Ioapic ioapic(target);
  ProgramEntry(ioapic, 10, kIoapicLevel | 0x41);
  for (auto _ : state) {
    ioapic.SetInput(10, true);
    ioapic.SetInput(10, false);
    ioapic.EndOfInterrupt(0x41);
  }
}
BENCHMARK(BM_IoapicLevel);

// What a guest does per edge when it polls the timer: latch, then read two bytes.
void BM_PitCount(benchmark::State& state) {
  const std::unique_ptr<EpollLoop> loop = EpollLoop::Create().value();
  RecordingIrqLine irq;
  Pit pit(SystemClock(), *loop, irq);
  Out(pit, kPitControlOffset, kPitBothBytes << kPitAccessShift | kPitRate << kPitModeShift);
  Out(pit, 0, 0);
  Out(pit, 0, 0);
  uint8_t byte = 0;
  for (auto _ : state) {
    Out(pit, kPitControlOffset, 0);
    pit.Read(0, absl::MakeSpan(&byte, 1));
    pit.Read(0, absl::MakeSpan(&byte, 1));
    benchmark::DoNotOptimize(byte);
  }
}
BENCHMARK(BM_PitCount);

// The poll of quick_pit_calibrate() and pit_calibrate_tsc().
void BM_Speaker(benchmark::State& state) {
  const std::unique_ptr<EpollLoop> loop = EpollLoop::Create().value();
  RecordingIrqLine irq;
  Pit pit(SystemClock(), *loop, irq);
  uint8_t byte = 0;
  for (auto _ : state) {
    pit.speaker().Read(0, absl::MakeSpan(&byte, 1));
    benchmark::DoNotOptimize(byte);
  }
}
BENCHMARK(BM_Speaker);

}  // namespace
}  // namespace touchstone
