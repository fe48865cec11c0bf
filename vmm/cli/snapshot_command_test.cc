#include "vmm/cli/snapshot_command.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/memory/guest_memory.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/machine/machine_state.pb.h"
#include "vmm/snapshot/container.h"
#include "vmm/snapshot/memory_writer.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<SnapshotLine> Parse(const std::vector<absl::string_view>& arguments) {
  return ParseSnapshotLine(arguments);
}

std::string WrongWith(const std::vector<absl::string_view>& arguments) {
  return std::string(Parse(arguments).status().message());
}

TEST(SnapshotCommandTest, TakeHasAPathAndASocket) {
  const auto line = Parse({"take", "/path", "/socket"});

  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_FALSE(line->check);
  EXPECT_EQ(line->order.path, "/path");
  EXPECT_EQ(line->order.socket, "/socket");
  EXPECT_FALSE(line->order.compress);
}

TEST(SnapshotCommandTest, CompressionMayStandAnywhere) {
  for (const std::vector<absl::string_view>& arguments :
       {std::vector<absl::string_view>{"take", "--compress-memory", "p", "s"},
        {"take", "p", "--compress-memory", "s"},
        {"take", "p", "s", "--compress-memory"}}) {
    ASSERT_TRUE(Parse(arguments).ok());
    EXPECT_TRUE(Parse(arguments)->order.compress);
  }
  EXPECT_EQ(Parse({"take", "--", "--p", "s"})->order.path, "--p");
}

TEST(SnapshotCommandTest, CheckHasAPath) {
  const auto line = Parse({"check", "/path"});

  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_TRUE(line->check);
  EXPECT_EQ(line->order.path, "/path");
}

TEST(SnapshotCommandTest, WrongArgumentsAreNamed) {
  EXPECT_EQ(WrongWith({}), "take or check is missing");
  EXPECT_EQ(WrongWith({"tak", "p", "s"}), "'tak' is neither take nor check (did you mean take?)");
  EXPECT_EQ(WrongWith({"take"}), "PATH is missing");
  EXPECT_EQ(WrongWith({"take", "", "s"}), "PATH is empty");
  EXPECT_THAT(WrongWith({"take", "p"}), HasSubstr("VM_SOCKET is missing"));
  EXPECT_EQ(WrongWith({"take", "p", "s", "t"}), "unexpected argument 't'");
  EXPECT_EQ(WrongWith({"take", "--small", "p", "s"}), "unknown option '--small'");
  EXPECT_EQ(WrongWith({"check", "--compress-memory", "p"}), "unknown option '--compress-memory'");
  EXPECT_EQ(WrongWith({"check", "p", "q"}), "unexpected argument 'q'");
}

TEST(SnapshotCommandTest, WhatIsNotThereSaysWhatIs) {
  EXPECT_THAT(WrongWith({"restore", "p", "s"}), HasSubstr("run --restore PATH"));
  EXPECT_THAT(WrongWith({"restore", "--require-encrypted", "p", "s"}),
              HasSubstr("run --restore PATH"));
  EXPECT_THAT(WrongWith({"take", "--encrypt", "p", "s"}), HasSubstr("encrypted file system"));
}

TEST(SnapshotCommandTest, ProgressIsALineThatKeepsItsWidth) {
  ControlResponse progress;
  progress.set_total(64 << 20);
  EXPECT_EQ(ShowProgress(progress), absl::StrCat("\r[", std::string(40, '.'), "] 0 % of 64.0 MiB"));
  progress.set_done(32 << 20);
  EXPECT_EQ(ShowProgress(progress),
            absl::StrCat("\r[", std::string(20, '#'), std::string(20, '.'), "] 50 % of 64.0 MiB"));
  progress.set_done(~uint64_t{0});
  EXPECT_THAT(ShowProgress(progress), HasSubstr("] 100 % of"));
  EXPECT_THAT(ShowProgress({}), HasSubstr("] 0 % of 0.0 MiB"));
}

class CheckSnapshotTest : public testing::Test {
 protected:
  CheckSnapshotTest() {
    std::string path = absl::StrCat(testing::TempDir(), "/check.XXXXXX");
    path_ = mkdtemp(path.data());
    machine_ = Create("/machine");
    memory_ = Create("/memory");
  }
  ~CheckSnapshotTest() override { std::filesystem::remove_all(path_); }

  ScopedFd Create(const std::string& name) const {
    return ScopedFd(open((path_ + name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  }
  void Save(const std::string& state) {
    const GuestMemory memory =
        GuestMemory::Create({{GuestAddress{0}, kGuestPageSize << 8}}, {}).value();
    ASSERT_TRUE(memory.WriteObject<uint8_t>(GuestAddress{7}, 1).ok());
    MemoryWriter writer = MemoryWriter::Create(memory, memory_.get(), false).value();
    ASSERT_TRUE(writer.WriteSome().ok());
    ASSERT_EQ(ftruncate(machine_.get(), 0), 0);
    const std::string bytes = EncodeContainer({state, writer.map().Serialize()});
    ASSERT_EQ(pwrite(machine_.get(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
  }

  std::string path_;
  ScopedFd machine_;
  ScopedFd memory_;
};

TEST_F(CheckSnapshotTest, SaysWhatIsInIt) {
  MachineState state;
  state.mutable_shape()->add_vcpus(0);
  state.mutable_shape()->add_vcpus(1);
  PciFunctionShape& disk = *state.mutable_shape()->add_functions();
  disk.set_address("00:03.0");
  disk.set_name("block /disk");
  Save(state.SerializeAsString());

  const auto table = CheckSnapshot(path_);

  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(*table, HasSubstr("version    1\nvcpus      2\ndevice     00:03.0 block /disk\n"
                                "memory     0x000000000 1.0 MiB\non disk    0.0 MiB\n"));
  EXPECT_THAT(*table, HasSubstr("checksums  right\n"));
}

TEST_F(CheckSnapshotTest, ErrorsNameTheFile) {
  EXPECT_EQ(CheckSnapshot(path_).status().message(),
            absl::StrCat(path_, "/machine: is no whole snapshot: it ends early"));
  Save("\xFF");
  EXPECT_EQ(CheckSnapshot(path_).status().message(),
            absl::StrCat(path_, "/machine: its state cannot be read"));
  Save("");
  ASSERT_EQ(pwrite(memory_.get(), "x", 1, 100), 1);
  EXPECT_EQ(CheckSnapshot(path_).status().message(),
            absl::StrCat(path_,
                         "/memory: its memory at 0 + 0x100000 is broken: its checksum is "
                         "wrong"));
}

}  // namespace
}  // namespace touchstone
