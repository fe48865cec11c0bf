// The guest of a device's benchmark: a driver with running queues, behind the host that the
// benchmark's argument "host" asks for.
//
//   BenchGuest guest(device, loop, BenchHost{state.range(0)}, {.features = kVirtioEventIndex});
//   guest.queue(0).Chain().Readable(frame).Send();
//   CHECK(guest.Serve(0) == 1);
//
// Ownership: device and loop are borrowed. Thread-compatible.

#ifndef TOUCHSTONE_BENCH_SUPPORT_BENCH_GUEST_H_
#define TOUCHSTONE_BENCH_SUPPORT_BENCH_GUEST_H_

#include <cstdint>
#include <memory>

#include "base/event/manual_loop.h"
#include "devices/virtio/core/virtio_device.h"
#include "devices/virtio/testing/guest_driver.h"
#include "devices/virtio/testing/virtio_host.h"

namespace touchstone {

enum class BenchHost : int64_t {
  kDirect = 0,
  kPci = 1,
  // Both ends in this process, on one thread: what the device's end has to do besides, without the
  // change of processes.
  kVhostUser = 2,
};

class BenchGuest {
 public:
  BenchGuest(VirtioDevice& device, ManualLoop& loop, BenchHost host, GuestDriver::Options options);

  [[nodiscard]] DriverQueue& queue(uint16_t index) { return driver_->queue(index); }

  // Kicks, and turns the loop until nothing is left to do.
  void Kick(uint16_t queue);
  // Takes back what the device has used; returns how many chains.
  int TakeBack(uint16_t queue);
  // Both.
  int Serve(uint16_t queue);

 private:
  ManualLoop& loop_;
  std::unique_ptr<VirtioHost> host_;
  std::unique_ptr<GuestDriver> driver_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BENCH_SUPPORT_BENCH_GUEST_H_
