// Snapshots that an earlier program has written stay readable. v1_raw was not made by this code:
// 16 KiB from 0x1000 on. v1_compressed is a machine with 64 MiB that counted
// (integration/guests:snapshot_guest).

#include <stdlib.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "vmm/machine/machine_state.pb.h"
#include "vmm/snapshot/snapshot.h"

namespace touchstone {
namespace {

std::string Golden(const std::string& name) {
  return absl::StrCat(getenv("TEST_SRCDIR"), "/touchstone/vmm/snapshot/testdata/", name);
}

TEST(GoldenTest, VersionOneRaw) {
  const absl::StatusOr<Snapshot> snapshot = Snapshot::Open(Golden("v1_raw"));
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(snapshot->machine(), "state");
  EXPECT_TRUE(CheckMemory(*snapshot).ok()) << CheckMemory(*snapshot);

  for (const auto backing : {GuestMemory::Backing::kAnonymous, GuestMemory::Backing::kMemfd}) {
    const GuestMemory memory =
        GuestMemory::Create({{GuestAddress{0x1000}, 0x4000}}, {.backing = backing}).value();
    const absl::StatusOr<RestoredMemory> restored = RestoreMemory(*snapshot, memory);
    ASSERT_TRUE(restored.ok()) << restored.status();
    EXPECT_EQ(memory.ReadObject<uint8_t>(GuestAddress{0x1000}).value(), 'T');
    EXPECT_EQ(memory.ReadObject<uint8_t>(GuestAddress{0x2000}).value(), 0);
    EXPECT_EQ(memory.ReadObject<uint8_t>(GuestAddress{0x3FFF}).value(), 0xA5);
  }
}

TEST(GoldenTest, VersionOneCompressed) {
  const absl::StatusOr<Snapshot> snapshot = Snapshot::Open(Golden("v1_compressed"));
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_TRUE(CheckMemory(*snapshot).ok()) << CheckMemory(*snapshot);
  MachineState state;
  ASSERT_TRUE(state.ParseFromString(snapshot->machine()));
  EXPECT_EQ(state.version(), 1u);
  EXPECT_EQ(state.shape().vcpus_size(), 1);
  EXPECT_EQ(state.vcpus_size(), 1);

  const GuestMemory memory =
      GuestMemory::Create({{GuestAddress{0}, uint64_t{64} << 20}}, {}).value();
  const absl::StatusOr<RestoredMemory> restored = RestoreMemory(*snapshot, memory);
  ASSERT_TRUE(restored.ok()) << restored.status();
  // What the guest leaves in its page 2 is twice a constant and the turn, one of each hundred.
  const uint64_t value =
      memory.ReadObject<uint64_t>(GuestAddress{(16 << 20) + 2 * 12288 + 16}).value();
  const uint64_t turn = value - 2 * 0x9E3779B97F4A7C15;
  EXPECT_EQ(turn % 100, 3u);
  EXPECT_LT(turn, 1000000u);
}

}  // namespace
}  // namespace touchstone
