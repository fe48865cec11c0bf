#include "devices/virtio/testing/conformance.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/vhost_user_host.h"

namespace touchstone {
namespace {

constexpr uint64_t kRingFeatures =
    kVirtioIndirectDescriptors | kVirtioEventIndex | kVirtioPackedRing;
constexpr uint64_t kQueueMemory = 4 << 20;
// Longer than any delay by which a device puts work off.
constexpr absl::Duration kPatience = absl::Seconds(2);

const char* HostName(ConformanceCase::Host host) {
  switch (host) {
    case ConformanceCase::Host::kDirect:
      return "Direct";
    case ConformanceCase::Host::kPci:
      return "Pci";
    case ConformanceCase::Host::kVhostUser:
      return "VhostUser";
  }
}

std::string RingName(uint64_t features) {
  return absl::StrCat((features & kVirtioPackedRing) != 0 ? "Packed" : "Split",
                      (features & kVirtioEventIndex) != 0 ? "Event" : "",
                      (features & kVirtioIndirectDescriptors) != 0 ? "Indirect" : "");
}

}  // namespace

std::vector<ConformanceCase> ConformanceCases(const DeviceKit& kit, ConformanceCase::Host host) {
  ManualLoop loop;
  const uint64_t offered = kit.make(loop)->device().features();
  const std::string host_name = HostName(host);
  std::vector<ConformanceCase> cases;
  for (const uint64_t packed : {uint64_t{0}, kVirtioPackedRing}) {
    for (const uint64_t event : {uint64_t{0}, kVirtioEventIndex}) {
      for (const uint64_t indirect : {uint64_t{0}, kVirtioIndirectDescriptors}) {
        const uint64_t features = packed | event | indirect;
        if ((features & ~offered) != 0) continue;
        cases.push_back({.name = host_name + RingName(features),
                         .kit = kit,
                         .host = host,
                         .ring_features = features});
      }
    }
  }
  return cases;
}

std::vector<ConformanceCase> ConformanceCases(const DeviceKit& kit) {
  std::vector<ConformanceCase> cases;
  for (const ConformanceCase::Host host :
       {ConformanceCase::Host::kDirect, ConformanceCase::Host::kPci,
        ConformanceCase::Host::kVhostUser}) {
    for (ConformanceCase& each : ConformanceCases(kit, host)) cases.push_back(std::move(each));
  }
  return cases;
}

std::string ConformanceName(const testing::TestParamInfo<ConformanceCase>& info) {
  return info.param.name;
}

void VirtioConformance::Make(Setup setup) {
  guest_.reset();
  host_.reset();
  subject_.reset();
  loop_ = std::make_unique<ManualLoop>();
  subject_ = GetParam().kit.make(*loop_);
  const size_t queues = device().max_queue_sizes().size();
  switch (GetParam().host) {
    case ConformanceCase::Host::kDirect:
      host_ = std::make_unique<DirectHost>(device(), GuestDriver::MemoryFor(queues, kQueueMemory));
      break;
    case ConformanceCase::Host::kPci:
      host_ = std::make_unique<PciHost>(device(), GuestDriver::MemoryFor(queues, kQueueMemory));
      break;
    case ConformanceCase::Host::kVhostUser:
      host_ = std::make_unique<VhostUserHost>(
          device(), GuestDriver::MemoryFor(queues, kQueueMemory, GuestMemory::Backing::kMemfd),
          *loop_);
      break;
  }
  const uint64_t wanted = (host_->features() & ~kRingFeatures) | GetParam().ring_features;
  guest_ = std::make_unique<GuestDriver>(*host_,
                                         GuestDriver::Options{.features = wanted & ~setup.without,
                                                              .queue_size = setup.queue_size,
                                                              .queue_memory = kQueueMemory});
}

std::vector<TestRequest> VirtioConformance::Requests() const {
  std::vector<TestRequest> requests;
  for (const TestRequest& request : GetParam().kit.requests) {
    if ((request.features & ~guest_->features()) == 0) requests.push_back(request);
  }
  return requests;
}

bool VirtioConformance::packed() const {
  return (GetParam().ring_features & kVirtioPackedRing) != 0;
}

uint16_t VirtioConformance::Send(const TestRequest& request, bool indirect) {
  DriverQueue::Builder chain = guest_->queue(request.queue).Chain();
  for (const std::vector<uint8_t>& bytes : request.readable) chain.Readable(bytes);
  for (const uint32_t size : request.writable) chain.Writable(size);
  if (indirect) chain.Indirect();
  return chain.Send();
}

void VirtioConformance::Turn() {
  loop_->RunReady();
  loop_->Advance(kPatience);
}

void VirtioConformance::Work(const TestRequest& request) {
  guest_->Kick(request.queue);
  loop_->RunReady();
  HostDoes(request);
  Turn();
}

void VirtioConformance::HostDoes(const TestRequest& request) {
  for (const HostEvent& event : request.events) {
    subject_->HostEvent(event.kind, event.bytes);
    loop_->RunReady();
  }
}

const LateQueue* VirtioConformance::FindLate(uint16_t queue) const {
  for (const LateQueue& late : GetParam().kit.late_queues) {
    if (late.queue == queue) return &late;
  }
  return nullptr;
}

bool VirtioConformance::RestartToLookAt(uint16_t queue) {
  guest_->Restart();
  const LateQueue* const late = FindLate(queue);
  if (late == nullptr) return true;
  for (const TestRequest& request : late->requests) Answers(request);
  return !late->requests.empty() || !late->events.empty();
}

void VirtioConformance::LookAt(uint16_t queue) {
  host_->Kick(queue);
  Turn();
  const LateQueue* const late = FindLate(queue);
  if (late == nullptr) return;
  for (const HostEvent& event : late->events) subject_->HostEvent(event.kind, event.bytes);
  Turn();
}

bool VirtioConformance::Answers(const TestRequest& request, bool indirect) {
  const uint16_t id = Send(request, indirect);
  Work(request);
  const std::optional<DriverQueue::Used> used = guest_->queue(request.queue).PollUsed();
  return used.has_value() && used->id == id && request.is_answer(*used);
}

}  // namespace touchstone
