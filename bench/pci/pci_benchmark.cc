// What configuration accesses and message-signalled interrupts cost, exits not counted.

#include <cstdint>

#include "base/log.h"
#include "benchmark/benchmark.h"
#include "devices/bus/bus.h"
#include "devices/irq/recording_msi_target.h"
#include "devices/pci/config_space.h"
#include "devices/pci/fake_pci_function.h"
#include "devices/pci/msix.h"
#include "devices/pci/pci_cam.h"
#include "devices/pci/pci_ecam.h"
#include "devices/pci/pci_root.h"

namespace touchstone {
namespace {

constexpr uint64_t kEcamStart = 0xF4000000;

// A root with one function at 00:01.0 behind both access mechanisms.
struct Machine {
  Machine() {
    CHECK(root.Add(function).ok());
    CHECK(ports.Insert({PciCam::kFirstPort, PciCam::kPortCount}, "cam", &cam).ok());
    CHECK(mmio.Insert({kEcamStart, ecam.size()}, "ecam", &ecam).ok());
  }

  Bus ports{"ports", Bus::kLastPort};
  Bus mmio{"mmio", Bus::kLastMmioAddress};
  FakePciFunction function{
      "function", {{{.index = 0, .kind = PciBarKind::kMemory32, .size = 0x8000}, nullptr}}};
  PciRoot root{{&ports, &mmio, {}, {{0xD0000000, 0x1000000}}, {}, {}}};
  PciCam cam{root, {}};
  PciEcam ecam{root, 64 * PciEcam::kBusSize};
};

// The two accesses of a read: select, then read.
void BM_CamRead(benchmark::State& state) {
  Machine machine;
  const uint8_t select[] = {0x00, 0x08, 0x00, 0x80};
  uint8_t data[4];
  for (auto _ : state) {
    machine.ports.Write(0xCF8, select);
    benchmark::DoNotOptimize(machine.ports.Read(0xCFC, absl::MakeSpan(data)));
  }
}
BENCHMARK(BM_CamRead);

void BM_EcamRead(benchmark::State& state) {
  Machine machine;
  uint8_t data[4];
  for (auto _ : state) {
    benchmark::DoNotOptimize(machine.mmio.Read(kEcamStart + 0x8000, absl::MakeSpan(data)));
  }
}
BENCHMARK(BM_EcamRead);

// A guest that moves a BAR: the registers are read back and the bus is changed.
void BM_EcamMoveBar(benchmark::State& state) {
  Machine machine;
  const uint8_t places[2][4] = {{0x00, 0x00, 0x00, 0xD0}, {0x00, 0x80, 0x00, 0xD0}};
  uint64_t i = 0;
  for (auto _ : state) machine.mmio.Write(kEcamStart + 0x8010, places[++i % 2]);
}
BENCHMARK(BM_EcamMoveBar);

// The eventfd's system call included.
void BM_MsixSignal(benchmark::State& state) {
  RecordingMsiTarget target;
  ConfigSpace config(ConfigSpace::Header::kEndpoint, {.vendor = 1, .device = 2});
  Msix msix(2, target);
  CHECK(msix.AddCapability(config, {0, 0}, {0, 0x800}).ok());
  const uint8_t offset = *config.FindCapability(kPciCapabilityMsix);
  config.Write(offset + 2u, {0x00, 0x80});
  msix.ConfigWritten(config);
  msix.WriteTable(12, {0});
  for (auto _ : state) msix.Signal(0);
}
BENCHMARK(BM_MsixSignal);

void BM_MsixSignalMasked(benchmark::State& state) {
  RecordingMsiTarget target;
  ConfigSpace config(ConfigSpace::Header::kEndpoint, {.vendor = 1, .device = 2});
  Msix msix(2, target);
  CHECK(msix.AddCapability(config, {0, 0}, {0, 0x800}).ok());
  const uint8_t offset = *config.FindCapability(kPciCapabilityMsix);
  config.Write(offset + 2u, {0x00, 0x80});
  msix.ConfigWritten(config);
  for (auto _ : state) msix.Signal(0);
}
BENCHMARK(BM_MsixSignalMasked);

}  // namespace
}  // namespace touchstone
