#include "bench/support/bench_guest.h"

#include "devices/virtio/testing/direct_host.h"
#include "devices/virtio/testing/pci_host.h"
#include "devices/virtio/testing/vhost_user_host.h"

namespace touchstone {

BenchGuest::BenchGuest(VirtioDevice& device, ManualLoop& loop, BenchHost host,
                       GuestDriver::Options options)
    : loop_(loop) {
  const GuestMemory memory =
      GuestDriver::MemoryFor(device.max_queue_sizes().size(), options.queue_memory,
                             host == BenchHost::kVhostUser ? GuestMemory::Backing::kMemfd
                                                           : GuestMemory::Backing::kAnonymous);
  switch (host) {
    case BenchHost::kDirect:
      host_ = std::make_unique<DirectHost>(device, memory);
      break;
    case BenchHost::kPci:
      host_ = std::make_unique<PciHost>(device, memory);
      break;
    case BenchHost::kVhostUser:
      host_ = std::make_unique<VhostUserHost>(device, memory, loop);
      break;
  }
  driver_ = std::make_unique<GuestDriver>(*host_, options);
  driver_->Start();
  loop_.RunReady();
}

void BenchGuest::Kick(uint16_t queue) {
  driver_->Kick(queue);
  loop_.RunReady();
}

int BenchGuest::TakeBack(uint16_t queue) {
  int chains = 0;
  while (driver_->queue(queue).PollUsed().has_value()) ++chains;
  return chains;
}

int BenchGuest::Serve(uint16_t queue) {
  Kick(queue);
  return TakeBack(queue);
}

}  // namespace touchstone
