// What a byte of console output costs, from the guest's write to THR to the host's file, with the
// loop on a thread of its own as in a machine.

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/event/epoll_loop.h"
#include "base/scoped_fd.h"
#include "benchmark/benchmark.h"
#include "devices/irq/recording_irq_line.h"
#include "devices/platform/serial/fd_sink.h"
#include "devices/platform/serial/nonblocking.h"
#include "devices/platform/serial/output_queue.h"
#include "devices/platform/serial/serial.h"
#include "devices/platform/serial/serial_testing.h"

namespace touchstone {
namespace {

// As Linux's console: LSR before each byte.
void WritePolled(Serial& serial, uint8_t byte) {
  uint8_t status = 0;
  do {
    serial.Read(kSerialLsr, absl::MakeSpan(&status, 1));
  } while ((status & kLsrTransmitEmpty) == 0);
  serial.Write(kSerialThr, absl::MakeConstSpan(&byte, 1));
}

void BM_Registers(benchmark::State& state) {
  NullOutput output;
  NullInput input;
  RecordingIrqLine irq;
  Serial serial(output, input, irq);
  for (auto _ : state) WritePolled(serial, 'x');
  state.SetBytesProcessed(state.iterations());
}
BENCHMARK(BM_Registers);

void WriteThrough(benchmark::State& state, ScopedFd fd) {
  const std::unique_ptr<EpollLoop> loop = EpollLoop::Create().value();
  std::thread thread([&loop] { loop->Run(); });
  auto output = std::make_unique<OutputQueue>(
      *loop, SystemClock(), std::make_unique<FdSink>(std::move(fd), "benchmark"), "benchmark");
  NullInput input;
  RecordingIrqLine irq;
  auto serial = std::make_unique<Serial>(*output, input, irq);
  for (auto _ : state) WritePolled(*serial, 'x');
  state.SetBytesProcessed(state.iterations());
  loop->Stop();
  thread.join();
  serial.reset();
  output.reset();
}

void BM_DevNull(benchmark::State& state) {
  WriteThrough(state, OpenFile("/dev/null", O_WRONLY).value());
}
BENCHMARK(BM_DevNull)->UseRealTime();

// A reader on another thread, which shares the two cores.
void BM_Pipe(benchmark::State& state) {
  int fds[2];
  if (pipe(fds) != 0) return state.SkipWithError("pipe");
  const ScopedFd reader(fds[0]);
  ScopedFd writer(fds[1]);
  ScopedFd fd = NonBlocking(writer, O_WRONLY).value();
  writer.Reset();
  std::thread consumer([&reader] {
    static char buffer[65536];
    while (read(reader.get(), buffer, sizeof(buffer)) > 0) continue;
  });
  WriteThrough(state, std::move(fd));
  consumer.join();
}
BENCHMARK(BM_Pipe)->UseRealTime();

// A byte typed by the host: interrupt, IIR, LSR, RBR, LSR.
void BM_Receive(benchmark::State& state) {
  NullOutput output;
  FakeInput input;
  RecordingIrqLine irq;
  Serial serial(output, input, irq);
  const uint8_t enable = kIerReceive;
  serial.Write(kSerialIer, absl::MakeConstSpan(&enable, 1));
  uint8_t value = 0;
  for (auto _ : state) {
    input.Type("x");
    for (const uint64_t offset : {kSerialIir, kSerialLsr, kSerialRbr, kSerialLsr}) {
      serial.Read(offset, absl::MakeSpan(&value, 1));
    }
  }
  state.SetBytesProcessed(state.iterations());
}
BENCHMARK(BM_Receive);

}  // namespace
}  // namespace touchstone
