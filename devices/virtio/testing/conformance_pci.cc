// What a driver may do to the registers of a function while there is a device behind it.

#include <vector>

#include "devices/virtio/pci/virtio_pci_registers.h"
#include "devices/virtio/testing/conformance.h"

namespace touchstone {
namespace {

constexpr uint32_t kQueueAddresses[] = {kVirtioQueueDescriptors, kVirtioQueueDriver,
                                        kVirtioQueueDevice};

// Writes that would move or resize the queue that is selected.
void WriteQueueRegisters(PciHost& pci) {
  for (const uint16_t size : {0, 1, 3, 0x8000, 0xFFFF}) pci.Put<uint16_t>(kVirtioQueueSize, size);
  for (const uint32_t at : kQueueAddresses) {
    pci.Put<uint64_t>(at, ~uint64_t{0});
    pci.Put<uint32_t>(at, 0);
    pci.Put<uint32_t>(at + 4, 1);
  }
  pci.Put<uint16_t>(kVirtioQueueEnable, 0);
  pci.Put<uint16_t>(kVirtioQueueEnable, 0xFFFF);
}

std::vector<uint8_t> QueueRegisters(PciHost& pci) {
  std::vector<uint8_t> registers(kVirtioCommonSize - kVirtioQueueSize);
  pci.function().Read(kVirtioQueueSize, absl::MakeSpan(registers));
  return registers;
}

}  // namespace

// KE-01: what was checked when the queue was enabled is what is used.
TEST_P(VirtioPciConformance, RegistersOfARunningQueueDoNotChange) {
  guest_->Start();
  for (uint16_t queue = 0; queue < queue_count(); ++queue) {
    SCOPED_TRACE(queue);
    pci().Put(kVirtioQueueSelect, queue);
    const std::vector<uint8_t> before = QueueRegisters(pci());
    WriteQueueRegisters(pci());
    EXPECT_EQ(QueueRegisters(pci()), before);
  }

  EXPECT_TRUE(AnswersFirst());
}

// KE-14: registers written between a request and its answer.
TEST_P(VirtioPciConformance, RegistersWrittenInFlightAreHarmless) {
  guest_->Start();
  for (const TestRequest& request : Requests()) {
    SCOPED_TRACE(request.name);
    const uint16_t id = Send(request);
    pci().Put(kVirtioQueueSelect, request.queue);
    WriteQueueRegisters(pci());
    guest_->Kick(request.queue);
    loop_->RunReady();
    WriteQueueRegisters(pci());
    pci().Put<uint32_t>(kVirtioDriverFeature, 0xFFFF'FFFF);
    Work(request);
    const std::optional<DriverQueue::Used> used = guest_->queue(request.queue).PollUsed();
    ASSERT_TRUE(used.has_value());
    EXPECT_EQ(used->id, id);
    EXPECT_TRUE(request.is_answer(*used));
  }
}

// KE-04: every register and the device's configuration, by every width and misalignment.
TEST_P(VirtioPciConformance, EveryRegisterByEveryWidth) {
  for (const uint64_t value : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}}) {
    guest_->Restart();
    for (size_t size = 1; size <= 8; ++size) {
      for (uint32_t at = 0; at + size <= kVirtioBarSize; at += at % 0x1000 < 0x40 ? 1 : 97) {
        uint8_t data[8];
        StoreLe(value, absl::MakeSpan(data));
        pci().function().Write(at, absl::MakeConstSpan(data, size));
        pci().function().Read(at, absl::MakeSpan(data, size));
      }
    }
    Turn();
  }
  Make({});
  guest_->Start();

  EXPECT_TRUE(AnswersFirst());
}

// KE-12: a ring that cannot be makes the device ask for a reset.
TEST_P(VirtioPciConformance, ImpossibleRingsNeedAReset) {
  const uint64_t features = guest_->features();
  for (const uint64_t at : {~uint64_t{0} & ~uint64_t{0xFFF}, uint64_t{0x1001}, uint64_t{1} << 51}) {
    for (uint16_t queue = 0; queue < queue_count(); ++queue) {
      SCOPED_TRACE(queue);
      host_->Reset();
      ASSERT_TRUE(host_->Negotiate(features));
      const uint32_t size = host_->max_queue_sizes()[queue];
      host_->SetUpQueue(queue, {size, GuestAddress{at}, GuestAddress{at}, GuestAddress{at}}, {});
      EXPECT_FALSE(host_->DriverReady());
      host_->Kick(queue);
      Turn();
    }
  }
  guest_->Restart();

  EXPECT_TRUE(AnswersFirst());
}

// KE-05.
TEST_P(VirtioPciConformance, NotifiesAnywhereAreHarmless) {
  guest_->Start();
  for (uint32_t at = kVirtioNotify; at < kVirtioMsixTable; ++at) {
    pci().Put<uint32_t>(at, 0xFFFF'FFFF);
  }
  Turn();

  EXPECT_TRUE(AnswersFirst());
}

// Virtio 1.2, 2.6.1: with requests in flight, too.
TEST_P(VirtioPciConformance, QueueResetInFlight) {
  guest_->Start();
  for (const TestRequest& request : Requests()) {
    SCOPED_TRACE(request.name);
    Send(request);
    guest_->Kick(request.queue);
    loop_->RunReady();
    guest_->RestartQueue(request.queue);
    EXPECT_TRUE(Answers(request));
  }
}

}  // namespace touchstone
