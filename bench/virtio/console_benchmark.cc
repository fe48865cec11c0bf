// Bytes through a console port, without a transport: a kick, turns of the loop, buffers returned.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/event/manual_loop.h"
#include "base/log.h"
#include "benchmark/benchmark.h"
#include "devices/platform/serial/serial_testing.h"
#include "devices/virtio/console/console.h"
#include "devices/virtio/testing/guest_driver.h"

namespace touchstone {
namespace {

struct Subject {
  Subject() {
    auto typed = std::make_unique<FakeInput>();
    input = typed.get();
    std::vector<Console::Port> ports;
    ports.push_back(
        {.port = {.name = "", .console = true},
         .host = {
             .terminal = {}, .output = std::make_unique<NullOutput>(), .input = std::move(typed)}});
    console = std::make_unique<Console>(loop, Console::Kind::kSingle, std::move(ports));
    guest = std::make_unique<GuestDriver>(*console, GuestDriver::Options{});
    guest->Start();
  }

  ManualLoop loop;
  FakeInput* input;
  std::unique_ptr<Console> console;
  std::unique_ptr<GuestDriver> guest;
};

void BM_Output(benchmark::State& state) {
  Subject subject;
  const std::vector<uint8_t> bytes(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    subject.guest->queue(1).Chain().Readable(bytes).Send();
    subject.guest->Kick(1);
    subject.loop.RunReady();
    CHECK(subject.guest->queue(1).PollUsed().has_value());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Output)->Arg(16)->Arg(4096)->Arg(32768);

// Linux has buffers of a page.
void BM_Input(benchmark::State& state) {
  Subject subject;
  const std::string text(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    subject.guest->queue(0).Chain().Writable(4096).Send();
    subject.guest->Kick(0);
    subject.input->Type(text);
    subject.loop.RunReady();
    CHECK(subject.guest->queue(0).PollUsed()->length == text.size());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Input)->Arg(1)->Arg(4096);

}  // namespace
}  // namespace touchstone
