#include "devices/virtio/block/block_config.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::HasSubstr;

using Disks = google::protobuf::RepeatedPtrField<BlockConfig>;

TEST(BlockConfigTest, DefaultsAreCrosvms) {
  const BlockConfig config;

  EXPECT_FALSE(config.ro());
  EXPECT_TRUE(config.sparse());
  EXPECT_TRUE(config.lock());
  EXPECT_EQ(config.block_size(), 512u);
}

TEST(BlockConfigTest, ValuesThatNoDiskCanHave) {
  BlockConfig config;
  EXPECT_THAT(std::string(CheckBlockConfig(config).message()), HasSubstr("the path is empty"));
  config.set_path("a.img");
  EXPECT_TRUE(CheckBlockConfig(config).ok());
  config.set_block_size(513);
  EXPECT_EQ(CheckBlockConfig(config).message(),
            "--block path=a.img: block-size=513 is not a multiple of 512");
  config.set_block_size(4096);
  config.set_id("12345678901234567890");
  EXPECT_TRUE(CheckBlockConfig(config).ok());
  config.set_id("123456789012345678901");
  EXPECT_THAT(std::string(CheckBlockConfig(config).message()),
              HasSubstr("is longer than 20 bytes"));
}

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
