#include "devices/virtio/block/block_root.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::HasSubstr;

using Disks = google::protobuf::RepeatedPtrField<BlockConfig>;

TEST(BlockRootTest, NamesAreThoseOfLinux) {
  EXPECT_EQ(BlockName(0), "vda");
  EXPECT_EQ(BlockName(25), "vdz");
  EXPECT_EQ(BlockName(26), "vdaa");
  EXPECT_EQ(BlockName(26 + 26 * 26), "vdaaa");
}

TEST(BlockRootTest, NoRootNoParameter) {
  Disks disks;
  disks.Add();
  EXPECT_EQ(BlockRootParameter(disks).value(), "");
}

TEST(BlockRootTest, SaysWhichDiskAndHow) {
  Disks disks;
  disks.Add();
  disks.Add()->set_root(true);
  EXPECT_EQ(BlockRootParameter(disks).value(), "root=/dev/vdb rw");
  disks[1].set_ro(true);
  EXPECT_EQ(BlockRootParameter(disks).value(), "root=/dev/vdb ro");
}

TEST(BlockRootTest, OneRootOnly) {
  Disks disks;
  disks.Add()->set_root(true);
  disks.Add()->set_root(true);
  disks[1].set_path("b.img");

  EXPECT_THAT(std::string(BlockRootParameter(disks).status().message()),
              HasSubstr("b.img: root is set on another disk"));
}

}  // namespace
}  // namespace touchstone
