// A hostile guest against the registers of VirtioPci, with a device that works behind it.
//
// Input: operations, each an opcode byte and its operands: register accesses of any place and
// width, whole steps of a driver (so that a short input reaches a running device), memory written
// while the device runs, turns of the loop, changes of the device's configuration.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/endian.h"
#include "base/event/manual_loop.h"
#include "base/log.h"
#include "devices/irq/recording_irq_line.h"
#include "devices/irq/recording_msi_target.h"
#include "devices/virtio/core/queue_device.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/pci/virtio_pci.h"
#include "devices/virtio/pci/virtio_pci_registers.h"
#include "devices/virtio/testing/raw_split_ring.h"
#include "fuzz/support/fuzz_input.h"

namespace touchstone {
namespace {

constexpr uint64_t kMemorySize = 0x4000;

// Echoes; keeps every third chain until the queue stops or the next comes.
class Echo final : public QueueDevice {
 public:
  explicit Echo(EventLoop& loop)
      : QueueDevice({.device_id = 4,
                     .queue_sizes = {16, 8, 8},
                     .features = kVirtioPackedRing | kVirtioIndirectDescriptors},
                    loop) {}
  void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) override {
    if (offset == 0) data[0] = config_;
  }
  void WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) override {
    if (offset == 0) config_ = data[0];
  }
  void Change() {
    ++config_;
    if (driver().interrupt != nullptr) driver().interrupt->SignalConfig();
  }

 private:
  void Handle(uint16_t /*queue*/, ReadableChain chain) override {
    if (++count_ % 3 == 0) return kept_.push_back(std::move(chain));
    std::vector<uint8_t> bytes(std::min<uint64_t>({chain.readable(), chain.writable(), 64}));
    const bool read = chain.Read(absl::MakeSpan(bytes)).ok();
    WritableChain answer = std::move(chain).IntoWritable();
    if (read) answer.Write(bytes).IgnoreError();
    std::move(answer).Complete();
  }
  void Drain(uint16_t /*queue*/) override { kept_.clear(); }

  uint8_t config_ = 1;
  int count_ = 0;
  std::vector<ReadableChain> kept_;
};

class Session {
 public:
  explicit Session(FuzzInput input) : input_(input) {
    CHECK(memory_.Fill(GuestAddress{0}, kMemorySize, 0).ok());
    pci_ = VirtioPci::Create(device_, {.name = "echo", .memory = memory_, .msi = &msi_}).value();
    pci_->ConnectIntx({.pin = 1, .gsi = 9, .line = &line_});
  }

  void Run() {
    while (!input_.empty()) Step(input_.U8());
    CheckReset();
  }

 private:
  static GuestMemory Memory() {
    static const GuestMemory& memory =
        *new GuestMemory(GuestMemory::Create({{GuestAddress{0}, kMemorySize}}, {}).value());
    return memory;
  }

  void Step(uint8_t opcode) {
    const size_t size = opcode / 16 % 8 + 1;
    switch (opcode % 12) {
      case 0:  // The common configuration and what follows it.
        WriteBytes(input_.U8() % 64, size);
        break;
      case 1:
        WriteBytes(input_.U16() % (kVirtioBarSize - 8), size);
        break;
      case 2:
        ReadBytes(input_.U16() % (kVirtioBarSize - 8), size);
        break;
      case 3: {
        const uint32_t offset = input_.U8() & ~3u;
        std::vector<uint8_t> data(4);
        pci_->ReadConfig(offset, absl::MakeSpan(data));
        pci_->WriteConfig(offset, Padded(4));
        break;
      }
      case 4:
        memory_.Write(GuestAddress{input_.U16() % kMemorySize}, input_.Bytes(input_.U8() % 64))
            .IgnoreError();
        break;
      case 5:
        loop_.RunReady();
        break;
      case 6:
        Put(kVirtioNotify + 4 * (input_.U8() % 4), 0, 2);
        break;
      case 7:
        device_.Change();
        break;
      case 8:
        Negotiate(input_.U8());
        break;
      case 9:
        SetUpQueue(input_.U8());
        break;
      case 10:
        Put(kVirtioStatus, kVirtioDriverOk, 1);
        break;
      case 11:
        Put(kVirtioStatus, 0, 1);
        break;
    }
  }

  // What is missing at the end of the input is 0.
  std::vector<uint8_t> Padded(size_t size) {
    const absl::Span<const uint8_t> bytes = input_.Bytes(size);
    std::vector<uint8_t> padded(bytes.begin(), bytes.end());
    padded.resize(size);
    return padded;
  }
  void WriteBytes(uint64_t offset, size_t size) { pci_->Write(offset, Padded(size)); }
  void ReadBytes(uint64_t offset, size_t size) {
    std::vector<uint8_t> data(size, 0xFF);
    pci_->Read(offset, absl::MakeSpan(data));
  }
  void Put(uint64_t offset, uint64_t value, size_t size) {
    uint8_t data[8];
    StoreLe(value, absl::MakeSpan(data));
    pci_->Write(offset, absl::MakeConstSpan(data, size));
  }

  void Negotiate(uint8_t choice) {
    const uint64_t features = kVirtioVersion1 | ((choice & 1) != 0 ? kVirtioPackedRing : 0) |
                              ((choice & 2) != 0 ? kVirtioEventIndex : 0) |
                              ((choice & 4) != 0 ? kVirtioIndirectDescriptors : 0) |
                              ((choice & 8) != 0 ? kVirtioRingReset : 0);
    for (uint32_t half = 0; half < 2; ++half) {
      Put(kVirtioDriverFeatureSelect, half, 4);
      Put(kVirtioDriverFeature, features >> (32 * half), 4);
    }
    Put(kVirtioStatus, kVirtioAcknowledge | kVirtioDriver | kVirtioFeaturesOk, 1);
  }

  // Queue n at n * 1 KiB, where the layout of both kinds of ring is good.
  void SetUpQueue(uint8_t choice) {
    const uint32_t index = choice % 4;
    const QueueLayout layout =
        RawSplitRing::LayoutAt(GuestAddress{uint64_t{index} * 0x400}, 1u << (choice / 4 % 4));
    Put(kVirtioQueueSelect, index, 2);
    if ((choice & 128) != 0) Put(kVirtioQueueReset, 1, 2);
    Put(kVirtioQueueSize, layout.size, 2);
    Put(kVirtioQueueDescriptors, Raw(layout.descriptors), 8);
    Put(kVirtioQueueDriver, Raw(layout.driver), 8);
    Put(kVirtioQueueDevice, Raw(layout.device), 8);
    Put(kVirtioQueueVector, index, 2);
    Put(kVirtioQueueEnable, 1, 2);
  }

  // Whatever happened, a reset leads back to the start.
  void CheckReset() {
    Put(kVirtioStatus, 0, 1);
    uint8_t status = 0xFF;
    pci_->Read(kVirtioStatus, absl::MakeSpan(&status, 1));
    CHECK(status == 0);
    for (uint16_t queue = 0; queue < 3; ++queue) {
      Put(kVirtioQueueSelect, queue, 2);
      uint8_t registers[6];
      pci_->Read(kVirtioQueueSize, absl::MakeSpan(registers));
      CHECK(LoadLe(absl::MakeConstSpan(registers, 2)) == device_.max_queue_sizes()[queue]);
      CHECK(LoadLe(absl::MakeConstSpan(registers + 4, 2)) == 0);
    }
    CHECK(!line_.level());
    loop_.RunReady();
    CHECK(!line_.level());
  }

  FuzzInput input_;
  const GuestMemory memory_ = Memory();
  ManualLoop loop_;
  Echo device_{loop_};
  RecordingMsiTarget msi_;
  RecordingIrqLine line_;
  std::unique_ptr<VirtioPci> pci_;
};

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  touchstone::Session(touchstone::FuzzInput(data, size)).Run();
  return 0;
}
