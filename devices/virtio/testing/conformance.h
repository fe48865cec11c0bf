// What every virtio device has to do and to survive, as one suite over device x host x kind of
// ring. A device joins with a kit (device_kit.h) and one line in X_conformance_test.cc:
//
//   INSTANTIATE_VIRTIO_CONFORMANCE(Rng, RngKit());
//
// Hosts: DirectHost, PciHost and VhostUserHost. Kinds of ring: those that the device offers of
// split and packed, with and without EVENT_IDX and INDIRECT_DESC.
//
// Each case has a fresh device behind a fresh host, and a correct driver for it with all features
// of the device's own. Thread-compatible, as tests are.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_TESTING_CONFORMANCE_H_
#define TOUCHSTONE_DEVICES_VIRTIO_TESTING_CONFORMANCE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event/manual_loop.h"
#include "devices/virtio/testing/device_kit.h"
#include "devices/virtio/testing/guest_driver.h"
#include "devices/virtio/testing/pci_host.h"
#include "devices/virtio/testing/virtio_host.h"
#include "gtest/gtest.h"

namespace touchstone {

struct ConformanceCase {
  enum class Host { kDirect, kPci, kVhostUser };

  std::string name;  // "DirectSplitEvent".
  DeviceKit kit;
  Host host = Host::kDirect;
  uint64_t ring_features = 0;
};

// All cases of a kit, or those of one host.
std::vector<ConformanceCase> ConformanceCases(const DeviceKit& kit);
std::vector<ConformanceCase> ConformanceCases(const DeviceKit& kit, ConformanceCase::Host host);
std::string ConformanceName(const testing::TestParamInfo<ConformanceCase>& info);

class VirtioConformance : public testing::TestWithParam<ConformanceCase> {
 protected:
  VirtioConformance() { Make({}); }

  struct Setup {
    uint64_t without = 0;     // Features that are offered and not taken.
    uint32_t queue_size = 0;  // At most; 0: the largest.
  };
  // Starts over with a new device behind a new host, not started.
  void Make(Setup setup);

  // The requests that make sense with what was negotiated.
  [[nodiscard]] std::vector<TestRequest> Requests() const;
  [[nodiscard]] const TestRequest& FirstRequest() const { return GetParam().kit.requests[0]; }

  // Makes the request available; returns its id.
  uint16_t Send(const TestRequest& request, bool indirect = false);
  // Kicks, lets the device work, and the host do its part.
  void Work(const TestRequest& request);
  // The host's part alone.
  void HostDoes(const TestRequest& request);
  // Lets the device work until nothing is left to do.
  void Turn();
  // Restarts the driver, so that LookAt makes the device look at the ring of this queue. False when
  // nothing can.
  bool RestartToLookAt(uint16_t queue);
  void LookAt(uint16_t queue);
  // Sends, works and looks at the answer.
  bool Answers(const TestRequest& request, bool indirect = false);
  bool AnswersFirst() { return Answers(FirstRequest()); }

  [[nodiscard]] const LateQueue* FindLate(uint16_t queue) const;
  [[nodiscard]] bool packed() const;
  [[nodiscard]] size_t queue_count() const { return host_->max_queue_sizes().size(); }
  [[nodiscard]] VirtioDevice& device() { return subject_->device(); }

  std::unique_ptr<ManualLoop> loop_;
  std::unique_ptr<TestDevice> subject_;
  std::unique_ptr<VirtioHost> host_;
  std::unique_ptr<GuestDriver> guest_;
};

// What only registers can do.
class VirtioPciConformance : public VirtioConformance {
 protected:
  [[nodiscard]] PciHost& pci() { return static_cast<PciHost&>(*host_); }
};

#define INSTANTIATE_VIRTIO_CONFORMANCE(Name, kit)                                                 \
  INSTANTIATE_TEST_SUITE_P(Name, VirtioConformance, testing::ValuesIn(ConformanceCases(kit)),     \
                           ConformanceName);                                                      \
  INSTANTIATE_TEST_SUITE_P(Name, VirtioPciConformance,                                            \
                           testing::ValuesIn(ConformanceCases(kit, ConformanceCase::Host::kPci)), \
                           ConformanceName)

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_TESTING_CONFORMANCE_H_
