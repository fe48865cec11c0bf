// The monitor is killed while its guest writes: what the guest was told is on disk is there, and
// the journal is all that the file system needs to be whole.
//
// The guest makes files, one after the other, and says over the console which one it has flushed;
// the oldest are deleted. Two rounds, or twenty with --full, with a disk of another kind each time.

#include <signal.h>
#include <stdio.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/testing/runfiles.h"
#include "integration/virtio/block_host.h"
#include "integration/virtio/test_run.h"
#include "integration/virtio/virtio_guest.h"

namespace touchstone {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(5);

// Files that are on the disk at a time.
constexpr int kKept = 16;

// Each file has its own size and content, of which the sum is said: "#flushed 17 d41d8c...".
std::string WriteLoad() {
  return absl::StrCat(
      "modprobe ext4; mkdir -p /m; mount -t ext4 /dev/vda /m; i=0; while :; do "
      "dd if=/dev/urandom of=/run/next bs=1k count=$((i * 37 % 200 + 1)) status=none; "
      "dd if=/run/next of=/m/$i bs=64k conv=fsync status=none; "
      "echo \"#flushed $i $(md5sum < /run/next | cut -c1-32)\" > /dev/console; "
      "rm -f /m/$((i - ",
      kKept, ")); i=$((i + 1)); done");
}

// Sums of files by their numbers, as far as the guest got to say them.
std::map<int, std::string> Flushed(const std::string& console) {
  std::map<int, std::string> flushed;
  const std::vector<std::string> lines = absl::StrSplit(console, '\n');
  // The last line may be half of one.
  for (size_t i = 0; i + 1 < lines.size(); ++i) {
    const std::vector<std::string> words =
        absl::StrSplit(lines[i], absl::ByAnyChar(" \r"), absl::SkipEmpty());
    int number = 0;
    if (words.size() == 3 && words[0] == "#flushed" && absl::SimpleAtoi(words[1], &number)) {
      flushed[number] = words[2];
    }
  }
  return flushed;
}

// What is wrong with the disk of a machine that was killed; nothing when all is well.
std::string Examine(const std::string& disk, const std::map<int, std::string>& flushed) {
  std::string wrong =
      HostSays(absl::StrCat("said=$(/sbin/e2fsck -E journal_only -y ", disk,
                            " 2>&1); status=$?; [ $status -le 1 ] || echo \"$said\""));
  // Then nothing is left to repair: all that is said is how full the disk is. (Without -n, as the
  // totals in the superblock are right only after an unmount, and are put right without a word.)
  absl::StrAppend(&wrong, HostSays(absl::StrCat("/sbin/e2fsck -f -p ", disk,
                                                " 2>&1 | grep -v 'files (.*), .* blocks$'")));
  if (flushed.empty()) return wrong;
  const std::string folder = absl::StrCat(disk, ".files");
  const std::string sums =
      HostSays(absl::StrCat("rm -rf ", folder, "; mkdir ", folder, "; /sbin/debugfs -R 'rdump / ",
                            folder, "' ", disk, " 2> /dev/null; cd ", folder, " && md5sum [0-9]*"));
  const int last = flushed.rbegin()->first;
  for (const auto& [number, sum] : flushed) {
    // The next one may have been flushed and not said.
    if (number <= last + 1 - kKept) continue;
    if (!absl::StrContains(absl::StrCat("\n", sums), absl::StrCat("\n", sum, "  ", number, "\n"))) {
      absl::StrAppend(&wrong, "file ", number, " of ", last, " is not ", sum, "\n");
    }
  }
  return wrong.empty() ? wrong : absl::StrCat(wrong, sums);
}

class BlockCrashTest : public testing::TestWithParam<int> {};

TEST_P(BlockCrashTest, WhatWasFlushedIsThere) {
  const std::string keys =
      absl::StrCat("async-executor=", GetParam() % 2 == 0 ? "uring" : "epoll",
                   GetParam() % 4 == 1 || GetParam() % 4 == 2 ? ",packed-queue" : "");
  const unsigned delay_ms = std::random_device()() % 4000;
  SCOPED_TRACE(absl::StrCat(keys, ", killed after ", delay_ms, " ms"));
  const std::string disk = MakeExt4Disk(absl::StrCat(testing::TempDir(), "/disk"), 64);
  std::unique_ptr<Vm> vm =
      StartLinux(kCloudKernel, {.memory_mib = 256,
                                .initrd = Runfile("integration/virtio/crash_initramfs.cpio"),
                                .options = {absl::StrCat("--block=path=", disk, ",", keys)}});
  const absl::StatusOr<std::string> ready = vm->AwaitReady(kPatience);
  ASSERT_TRUE(ready.ok()) << ready.status();
  ASSERT_TRUE(vm->RunWithoutAnswer(WriteLoad()).ok());
  const absl::StatusOr<std::string> first = vm->Expect(R"(#flushed 0 \S+\r?\n)", kPatience);
  ASSERT_TRUE(first.ok()) << first.status();
  // Reads the console meanwhile.
  vm->Expect("#never", absl::Milliseconds(delay_ms)).status().IgnoreError();

  vm->Kill();

  EXPECT_EQ(vm->Wait(kCommandLimit).value(), 128 + SIGKILL);
  const std::map<int, std::string> flushed = Flushed(vm->console());
  EXPECT_EQ(Examine(disk, flushed), "");
  EXPECT_FALSE(flushed.empty());
  printf("%s: killed after %u ms and %d files\n", keys.c_str(), delay_ms,
         static_cast<int>(flushed.size()));
}

INSTANTIATE_TEST_SUITE_P(Rounds, BlockCrashTest, testing::Range(0, IsFullRun() ? 20 : 2));

}  // namespace
}  // namespace touchstone
