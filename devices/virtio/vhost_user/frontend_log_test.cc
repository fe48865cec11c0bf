// A front end that has its back end log which pages it writes.

#include "devices/virtio/vhost_user/frontend_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/event/manual_loop.h"
#include "base/fd_socket.h"
#include "base/memory/guest_memory.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/direct_host.h"
#include "devices/virtio/testing/echo_device.h"
#include "devices/virtio/testing/guest_driver.h"
#include "devices/virtio/testing/vhost_user_host.h"
#include "devices/virtio/vhost_user/backend.h"
#include "devices/virtio/vhost_user/frontend.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::IsEmpty;
using testing::IsSupersetOf;

constexpr uint64_t kPage = 4096;

using Pages = std::set<uint64_t>;

Pages PagesOf(const std::vector<uint64_t>& words) {
  Pages pages;
  for (uint64_t page = 0; page < 64 * words.size(); ++page) {
    if ((words[page / 64] >> (page % 64) & 1) != 0) pages.insert(page);
  }
  return pages;
}

class FrontendLogTest : public testing::TestWithParam<uint64_t> {
 protected:
  FrontendLogTest()
      : device_(loop_),
        host_(device_,
              GuestDriver::MemoryFor(2, GuestDriver::kQueueMemory, GuestMemory::Backing::kMemfd),
              loop_),
        guest_(host_, {.features = GetParam()}) {}

  std::string Memory() {
    const GuestMemory::Region& region = host_.memory().regions()[0];
    std::string bytes(region.size, '\0');
    EXPECT_TRUE(host_.memory()
                    .Read(region.start, {reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()})
                    .ok());
    return bytes;
  }
  // The pages that the device changes for a request.
  Pages Work() {
    std::vector<uint8_t> request(3 * kPage, ++byte_);
    guest_.queue(0).Chain().Readable(request).Writable(3 * kPage).Send();
    const std::string before = Memory();
    guest_.Kick(0);
    loop_.RunReady();
    const std::string after = Memory();
    EXPECT_TRUE(guest_.queue(0).PollUsed().has_value());
    const uint64_t start = Raw(host_.memory().regions()[0].start);
    Pages changed;
    for (size_t i = 0; i < before.size(); ++i) {
      if (before[i] != after[i]) changed.insert((start + i) / kPage);
    }
    return changed;
  }
  Pages Take() { return PagesOf(host_.frontend().TakeDirtyLog().value()); }

  ManualLoop loop_;
  EchoDevice device_;
  VhostUserHost host_;
  GuestDriver guest_;
  uint8_t byte_ = 0;
};

TEST_P(FrontendLogTest, BeginsUnderRunningQueues) {
  guest_.Start();
  Work();
  ASSERT_TRUE(host_.frontend().StartDirtyLog(host_.memory()).ok());
  Take();
  const Pages changed = Work();

  EXPECT_GE(changed.size(), 3u);
  EXPECT_THAT(Take(), IsSupersetOf(changed));
  EXPECT_THAT(Take(), IsEmpty());
}

TEST_P(FrontendLogTest, BeginsBeforeTheDriverComes) {
  ASSERT_TRUE(host_.frontend().StartDirtyLog(host_.memory()).ok());
  guest_.Start();
  Take();
  const Pages changed = Work();

  EXPECT_THAT(Take(), IsSupersetOf(changed));
}

TEST_P(FrontendLogTest, OutlivesTheDriver) {
  guest_.Start();
  ASSERT_TRUE(host_.frontend().StartDirtyLog(host_.memory()).ok());
  host_.Reset();
  GuestDriver next(host_, {.features = GetParam()});
  next.Start();
  Take();
  next.queue(0).Chain().Readable({1}).Writable(1).Send();
  next.Kick(0);
  loop_.RunReady();

  EXPECT_FALSE(Take().empty());
}

TEST_P(FrontendLogTest, Ends) {
  guest_.Start();
  ASSERT_TRUE(host_.frontend().StartDirtyLog(host_.memory()).ok());
  ASSERT_TRUE(host_.frontend().StopDirtyLog().ok());
  EXPECT_FALSE(Work().empty());

  EXPECT_EQ(host_.frontend().TakeDirtyLog().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(host_.frontend().StopDirtyLog().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(host_.frontend().StartDirtyLog(host_.memory()).ok());
  Take();
  const Pages changed = Work();
  EXPECT_THAT(Take(), IsSupersetOf(changed));
}

TEST_P(FrontendLogTest, NeedsABackEnd) {
  guest_.Start();
  host_.KillBackend();
  loop_.RunReady();

  EXPECT_EQ(host_.frontend().StartDirtyLog(host_.memory()).code(),
            absl::StatusCode::kFailedPrecondition);
}

INSTANTIATE_TEST_SUITE_P(Rings, FrontendLogTest, testing::Values(0, kVirtioPackedRing),
                         [](const auto& info) { return info.param == 0 ? "Split" : "Packed"; });

// One to whose memory others write, such as the kernel.
class SecretWriter final : public EchoDevice {
 public:
  using EchoDevice::EchoDevice;
  [[nodiscard]] bool writes_by_queues() const override { return false; }
};

TEST(FrontendLogFeatureTest, SomeBackEndsCannot) {
  ManualLoop loop;
  SecretWriter device(loop);
  VhostUserHost host(
      device, GuestDriver::MemoryFor(2, GuestDriver::kQueueMemory, GuestMemory::Backing::kMemfd),
      loop);

  EXPECT_EQ(host.frontend().StartDirtyLog(host.memory()).code(), absl::StatusCode::kUnimplemented);
}

TEST(FrontendLogFileTest, CoversAllMemoryAndCannotBeCutShort) {
  const GuestMemory memory =
      GuestMemory::Create({{GuestAddress{0}, kPage}, {GuestAddress{uint64_t{1} << 32}, kPage}}, {})
          .value();
  const std::unique_ptr<VhostUserFrontendLog> log = VhostUserFrontendLog::Create(memory).value();

  EXPECT_EQ(log->description().mmap_size, (uint64_t{1} << (32 - 12 - 3)) + 8);
  EXPECT_NE(ftruncate(log->fd(), 0), 0);
  EXPECT_FALSE(VhostUserFrontendLog::Create(GuestMemory()).ok());
}

}  // namespace
}  // namespace touchstone
