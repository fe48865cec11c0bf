// The log of dirty pages (vhost-user, "Migration").

#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/event_fd.h"
#include "base/memory/dirty_log.h"
#include "base/memory/guest_memory.h"
#include "base/scoped_fd.h"
#include "devices/virtio/testing/echo_device.h"
#include "devices/virtio/vhost_user/backend_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;

constexpr uint64_t kLogged = VhostUserBackendTest::kFeatures | kVhostUserLogAll;
constexpr uint64_t kPage = 4096;

using Pages = std::set<uint64_t>;

class VhostUserLogTest : public VhostUserBackendTest {
 protected:
  VhostUserLogTest() : file_(memfd_create("log", MFD_CLOEXEC)) {
    const GuestMemory::Region& region = memory_.regions()[0];
    size_ = DirtyLog::BytesFor(Raw(region.start) + region.size);
    EXPECT_EQ(ftruncate(file_.get(), static_cast<off_t>(size_)), 0);
  }

  std::optional<VhostUserMessage> SetLog(uint64_t size, uint64_t offset = 0) {
    peer_.Send(Request::kSetLogBase, VhostUserLog{.mmap_size = size, .mmap_offset = offset},
               {file_.get()});
    return Reply();
  }
  void SetFeatures(uint64_t features) {
    peer_.Send(Request::kSetFeatures, Number(features));
    loop_.RunReady();
  }
  // As a migration begins, while the ring runs.
  void BeginLogging(uint64_t features = kLogged) {
    EXPECT_TRUE(SetLog(size_).has_value());
    SetFeatures(features);
  }
  void LogRing(uint64_t log) {
    peer_.Send(Request::kSetVringAddr, RingAddress(0, kVhostUserVringLog, log));
    loop_.RunReady();
  }
  // Pages in the log, which is empty then.
  Pages TakeLog() {
    std::vector<uint8_t> bytes(size_);
    EXPECT_EQ(pread(file_.get(), bytes.data(), size_, 0), static_cast<ssize_t>(size_));
    const std::vector<uint8_t> zeros(size_);
    EXPECT_EQ(pwrite(file_.get(), zeros.data(), size_, 0), static_cast<ssize_t>(size_));
    Pages pages;
    for (uint64_t page = 0; page < 8 * size_; ++page) {
      if ((bytes[page / 8] >> (page % 8) & 1) != 0) pages.insert(page);
    }
    return pages;
  }
  std::string Memory() const {
    const GuestMemory::Region& region = memory_.regions()[0];
    std::string bytes(region.size, '\0');
    EXPECT_TRUE(
        memory_.Read(region.start, {reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()}).ok());
    return bytes;
  }
  // One request with a long answer; which pages the device changed.
  Pages WorkAndCompare() {
    std::vector<uint8_t> request(3 * kPage);
    for (uint8_t& byte : request) byte = ++next_byte_;
    driver_->Chain().Readable(request).Writable(3 * kPage).Send();
    const std::string before = Memory();
    kick_.Signal();
    loop_.RunReady();
    const std::string after = Memory();
    EXPECT_TRUE(driver_->PollUsed().has_value());
    Pages changed;
    for (size_t i = 0; i < before.size(); ++i) {
      if (before[i] != after[i]) changed.insert((kGuestStart + i) / kPage);
    }
    return changed;
  }
  uint64_t UsedPage() const { return Raw(driver_->layout().device) / kPage; }

  const ScopedFd file_;
  uint64_t size_ = 0;
  uint8_t next_byte_ = 0;
};

TEST_F(VhostUserLogTest, HasEachPageThatTheDeviceWrites) {
  Start();
  BeginLogging();
  LogRing(Raw(driver_->layout().device));
  TakeLog();
  const Pages changed = WorkAndCompare();

  EXPECT_GE(changed.size(), 3u);
  EXPECT_TRUE(changed.count(UsedPage()));
  EXPECT_EQ(TakeLog(), changed);
}

TEST_F(VhostUserLogTest, HasEachPageOfAPackedRing) {
  constexpr uint64_t kPacked = kVirtioPackedRing;
  Negotiate(kFeatures | kPacked);
  SetUpRing(0, kFeatures | kPacked, 0x8000'8000);
  peer_.Send(Request::kSetVringEnable, State(0, 1));
  BeginLogging(kLogged | kPacked);
  LogRing(Raw(driver_->layout().device));
  TakeLog();
  const Pages changed = WorkAndCompare();

  EXPECT_TRUE(changed.count(Raw(driver_->layout().descriptors) / kPage));
  EXPECT_THAT(TakeLog(), IsSupersetOf(changed));
}

// VHOST_VRING_F_LOG and log_guest_addr: the used ring is logged where the front end says.
TEST_F(VhostUserLogTest, HasTheUsedRingWhereItIsSaidToBe) {
  Start();
  BeginLogging();
  TakeLog();
  const Pages data = WorkAndCompare();
  const Pages without = TakeLog();
  LogRing(0x3000 + Raw(driver_->layout().device) % kPage);
  TakeLog();
  WorkAndCompare();
  const Pages elsewhere = TakeLog();

  EXPECT_TRUE(data.count(UsedPage()));
  EXPECT_FALSE(without.count(UsedPage()));
  EXPECT_FALSE(elsewhere.count(UsedPage()));
  EXPECT_FALSE(without.count(3));
  EXPECT_TRUE(elsewhere.count(3));
}

TEST_F(VhostUserLogTest, BeginsAndEndsWithTheFeature) {
  Start();
  EXPECT_TRUE(SetLog(size_).has_value());
  WorkAndCompare();
  EXPECT_THAT(TakeLog(), IsEmpty());
  SetFeatures(kLogged);
  WorkAndCompare();
  EXPECT_FALSE(TakeLog().empty());
  SetFeatures(kFeatures);
  TakeLog();
  WorkAndCompare();

  EXPECT_THAT(TakeLog(), IsEmpty());
  EXPECT_EQ(Error(), "");
}

// Which is the order when a device starts during a migration.
TEST_F(VhostUserLogTest, ComesAfterTheFeature) {
  Start(kLogged);
  WorkAndCompare();
  EXPECT_TRUE(SetLog(size_).has_value());
  TakeLog();
  WorkAndCompare();

  EXPECT_FALSE(TakeLog().empty());
}

TEST_F(VhostUserLogTest, FollowsMemoryThatChanges) {
  Start();
  BeginLogging();
  SetMemory();
  loop_.RunReady();
  TakeLog();
  WorkAndCompare();

  EXPECT_FALSE(TakeLog().empty());
}

TEST_F(VhostUserLogTest, OutlivesAResetOfTheDevice) {
  Start();
  BeginLogging();
  peer_.Send(Request::kResetDevice);
  driver_.reset();
  Start(kLogged);
  TakeLog();
  WorkAndCompare();

  EXPECT_FALSE(TakeLog().empty());
}

// Rings go on where they were, and the device keeps what it knows.
TEST_F(VhostUserLogTest, ChangesNothingElse) {
  Start();
  device_.WriteConfig(0, std::vector<uint8_t>{9});
  EXPECT_TRUE(Works());
  BeginLogging();
  EXPECT_TRUE(Works());
  LogRing(0);
  EXPECT_TRUE(Works());
  SetFeatures(kFeatures);
  EXPECT_TRUE(Works());
  uint8_t kept = 0;
  device_.ReadConfig(0, {&kept, 1});

  EXPECT_EQ(kept, 9);
  EXPECT_EQ(StopRing(), 4u);
}

TEST_F(VhostUserLogTest, SignalsItsChanges) {
  Start();
  BeginLogging();
  const EventFd changed = EventFd::Create().value();
  peer_.Send(Request::kSetLogFd, {changed.fd()});
  loop_.RunReady();
  changed.Drain();
  TakeLog();
  EXPECT_TRUE(Works());
  EXPECT_GT(changed.Drain(), 0u);
  // The same pages again are no news.
  EXPECT_TRUE(Works());
  EXPECT_TRUE(Works());
  changed.Drain();
  SetFeatures(kFeatures);
  EXPECT_TRUE(Works());

  EXPECT_EQ(changed.Drain(), 0u);
}

TEST_F(VhostUserLogTest, MayBeTooSmall) {
  Start();
  EXPECT_TRUE(SetLog(8).has_value());  // 64 pages; the memory begins at page 256.
  SetFeatures(kLogged);
  LogRing(~uint64_t{0} - 1);
  WorkAndCompare();

  EXPECT_THAT(TakeLog(), IsEmpty());
  EXPECT_EQ(Error(), "");
  LogRing(63 * kPage);
  WorkAndCompare();
  EXPECT_THAT(TakeLog(), ElementsAre(63));
}

TEST_F(VhostUserLogTest, MayBeCutShort) {
  Start();
  BeginLogging();
  ASSERT_EQ(ftruncate(file_.get(), 0), 0);
  WorkAndCompare();
  WorkAndCompare();

  EXPECT_EQ(Error(), "");
}

TEST_F(VhostUserLogTest, MayBeReplaced) {
  Start();
  BeginLogging();
  ASSERT_EQ(ftruncate(file_.get(), static_cast<off_t>(kPage + size_)), 0);
  EXPECT_TRUE(SetLog(size_, kPage).has_value());
  TakeLog();
  WorkAndCompare();

  EXPECT_THAT(TakeLog(), IsEmpty());  // Which looks at the first page.
}

struct BadLog {
  const char* name;
  uint64_t size;
  uint64_t offset;
  const char* error;
};

class HostileLog : public VhostUserLogTest, public testing::WithParamInterface<BadLog> {};

TEST_P(HostileLog, EndsTheConnection) {
  Start();
  SetFeatures(kLogged);
  EXPECT_FALSE(SetLog(GetParam().size, GetParam().offset).has_value());

  EXPECT_THAT(Error(), HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Pieces, HostileLog,
    testing::Values(BadLog{"Empty", 0, 0, "no size that a log has"},
                    BadLog{"TooLong", DirtyLog::kMaxBytes + 1, 0, "no size that a log has"},
                    BadLog{"Endless", ~uint64_t{0}, 0, "no size that a log has"},
                    BadLog{"PastTheEnd", 1 << 20, 0, "passes the end of its file"},
                    BadLog{"Behind", 8, 1 << 20, "passes the end of its file"},
                    BadLog{"Wraps", 8, ~uint64_t{0} - 4095, "passes the end of its file"},
                    BadLog{"Unaligned", 8, 8, "does not begin with a 4 KiB page"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(VhostUserLogTest, NeedsItsProtocolFeature) {
  peer_.Send(Request::kSetProtocolFeatures, Number(kVhostUserReplyAck));
  EXPECT_FALSE(SetLog(size_).has_value());

  EXPECT_THAT(Error(), HasSubstr("SET_LOG_BASE: its protocol feature"));
}

// One to whose memory others write, such as the kernel.
class SecretWriter final : public EchoDevice {
 public:
  using EchoDevice::EchoDevice;
  [[nodiscard]] bool writes_by_queues() const override { return false; }
};

TEST_F(VhostUserLogTest, IsNotOfferedForWhatNobodySees) {
  RawVhostUserPeer peer;
  SecretWriter device(loop_);
  const VhostUserBackend backend(device, peer.TakeOther(), loop_, [](const absl::Status&) {});
  peer.Send(Request::kGetFeatures);
  loop_.RunReady();

  EXPECT_EQ(peer.Receive()->Get<Le64>() & kVhostUserLogAll, 0u);
}

}  // namespace
}  // namespace touchstone
