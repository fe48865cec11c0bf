// Debian's kernels boot to user space, find the machine they were promised, and end as they ask.
//
// Each boot checks many things, and between them the boots of a kernel have each image format, 1, 2
// and 8 vCPUs, 128 MiB, 1 GiB and 5 GiB, a large initrd, and every way to end.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fstream>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/boot/linux_guest.h"
#include "integration/testing/runfiles.h"
#include "integration/testing/test_files.h"
#include "integration/testing/vm.h"

namespace touchstone {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr size_t kMiB = 1 << 20;
constexpr size_t kLargeFileSize = 100 * kMiB;
constexpr uint64_t kFourGib = uint64_t{4} << 30;

// The values of `key` in /proc/cpuinfo, by processor.
std::vector<std::string> CpuInfo(absl::string_view text, absl::string_view key) {
  std::vector<std::string> values;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(':', 1));
    if (parts.size() == 2 && absl::StripAsciiWhitespace(parts[0]) == key) {
      values.emplace_back(absl::StripAsciiWhitespace(parts[1]));
    }
  }
  return values;
}

void CheckProcessors(Vm& vm, int count) {
  EXPECT_EQ(Say(vm, "nproc"), absl::StrCat(count, "\n"));
  const std::string info = Say(vm, "cat /proc/cpuinfo");
  const size_t size = static_cast<size_t>(count);
  const std::vector<std::string> apic_ids = CpuInfo(info, "apicid");
  EXPECT_THAT(std::set<std::string>(apic_ids.begin(), apic_ids.end()), SizeIs(size));
  EXPECT_THAT(CpuInfo(info, "apicid"), CpuInfo(info, "initial apicid"));
  EXPECT_THAT(CpuInfo(info, "physical id"), ::testing::AllOf(SizeIs(size), Each("0")));
  EXPECT_THAT(CpuInfo(info, "siblings"), Each(absl::StrCat(count)));
  // Two threads a core where they come out even and the guest can tell: Linux reads threads from an
  // AMD processor only if that has topology extensions.
  const bool knows_threads =
      info.find("AuthenticAMD") == std::string::npos || info.find(" topoext") != std::string::npos;
  const int cores = count % 2 == 0 && knows_threads ? count / 2 : count;
  EXPECT_THAT(CpuInfo(info, "cpu cores"), Each(absl::StrCat(cores)));
  const std::vector<std::string> core_ids = CpuInfo(info, "core id");
  EXPECT_THAT(std::set<std::string>(core_ids.begin(), core_ids.end()),
              SizeIs(static_cast<size_t>(cores)));
}

struct SystemRam {
  uint64_t size = 0;
  uint64_t above_4g = 0;
};

SystemRam ParseIomem(absl::string_view text) {
  SystemRam ram;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    unsigned long long start = 0, end = 0;
    int rest = 0;
    if (sscanf(std::string(line).c_str(), "%llx-%llx : System RAM%n", &start, &end, &rest) != 2 ||
        rest == 0 || line[0] == ' ') {
      continue;
    }
    ram.size += end + 1 - start;
    if (start >= kFourGib) ram.above_4g += end + 1 - start;
  }
  return ram;
}

void CheckMemory(Vm& vm, int mib) {
  int64_t total_kib = 0;
  ASSERT_TRUE(absl::SimpleAtoi(Say(vm, "awk '/MemTotal/ {print $2}' /proc/meminfo"), &total_kib));
  // What the kernel keeps: itself, and a page descriptor for each page.
  EXPECT_GE(total_kib / 1024, mib - mib / 32 - 64);
  EXPECT_LE(total_kib / 1024, mib);
  const SystemRam ram = ParseIomem(Say(vm, "cat /proc/iomem"));
  // Less the hole below 1 MiB.
  EXPECT_GE(ram.size, (static_cast<size_t>(mib) - 1) * kMiB);
  EXPECT_LE(ram.size, static_cast<size_t>(mib) * kMiB);
}

// Free pages of the zone above 4 GiB.
int64_t FreeHighPages(Vm& vm) {
  int64_t pages = 0;
  const std::string text =
      Say(vm, "awk '/zone +Normal/ {on=1} on && /pages free/ {print $3; exit}' /proc/zoneinfo");
  return absl::SimpleAtoi(text, &pages) ? pages : -1;
}

// A file of the initramfs is copied to memory above 4 GiB and reads back as it was.
void CheckMemoryAbove4Gib(Vm& vm, uint32_t large_file_crc) {
  EXPECT_GE(ParseIomem(Say(vm, "cat /proc/iomem")).above_4g, 1024 * kMiB);
  const int64_t before = FreeHighPages(vm);
  EXPECT_EQ(Say(vm, "cp /large /dev/shm/copy"), "");
  const int64_t after = FreeHighPages(vm);
  EXPECT_GE((before - after) * 4096, static_cast<int64_t>(kLargeFileSize * 9 / 10));
  EXPECT_EQ(Say(vm, "crc32 < /dev/shm/copy"), absl::StrFormat("%08x\n", large_file_crc));
}

// The initramfs of `kernel` with a large file of noise, /large, behind it.
struct LargeInitrd {
  std::string path;
  uint32_t crc;
};

LargeInitrd MakeLargeInitrd(const LinuxKernel& kernel) {
  std::string noise(kLargeFileSize, '\0');
  std::mt19937_64 random(kLargeFileSize);
  for (size_t i = 0; i < noise.size(); i += sizeof(uint64_t)) {
    const uint64_t word = random();
    memcpy(&noise[i], &word, sizeof(word));
  }
  LargeInitrd initrd = {absl::StrCat(getenv("TEST_TMPDIR") ?: "/tmp", "/large.cpio"), Crc32(noise)};
  const auto header = [](absl::string_view name, int mode, size_t size) {
    return absl::StrFormat("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s", 1, mode,
                           0, 0, 1, 0, size, 0, 0, 0, 0, name.size() + 1, 0, name) +
           std::string(4 - (110 + name.size()) % 4, '\0');
  };
  std::string front = ReadFile(Runfile(kernel.initramfs));
  front.resize((front.size() + 3) / 4 * 4);
  std::ofstream(initrd.path, std::ios::binary)
      << front << header("large", 0100644, noise.size()) << noise << header("TRAILER!!!", 0, 0);
  return initrd;
}

class BootTest : public ::testing::TestWithParam<LinuxKernel> {
 protected:
  // Boots to user space.
  std::unique_ptr<Vm> Boot(const LinuxOptions& options) {
    std::unique_ptr<Vm> vm = StartLinux(GetParam(), options);
    const absl::StatusOr<std::string> release = vm->AwaitReady(kBootLimit);
    EXPECT_TRUE(release.ok()) << release.status();
    EXPECT_EQ(Say(*vm, "uname -r"), ReadFile(Runfile(GetParam().release)));
    return vm;
  }
  // The exit code of a guest that ends by `command`.
  static int End(Vm& vm, absl::string_view command) {
    EXPECT_TRUE(vm.RunWithoutAnswer(command).ok());
    const absl::StatusOr<int> status = vm.Wait(kCommandLimit);
    EXPECT_TRUE(status.ok()) << status.status();
    EXPECT_THAT(vm.errors(), ::testing::Not(HasSubstr("error")));
    return status.value_or(-1);
  }
};

constexpr char kPanic[] = "echo c > /proc/sysrq-trigger";

TEST_P(BootTest, BzImageOnOneProcessorIn128Mib) {
  auto vm = Boot({.bzimage = true, .memory_mib = 128, .extended_status = true});

  CheckProcessors(*vm, 1);
  CheckMemory(*vm, 128);
  EXPECT_EQ(End(*vm, "poweroff -f"), 0);
}

TEST_P(BootTest, ElfImageOnTwoProcessorsIn1GibResets) {
  auto vm = Boot({.cpus = 2, .memory_mib = 1024, .extended_status = true});

  CheckProcessors(*vm, 2);
  CheckMemory(*vm, 1024);
  EXPECT_EQ(End(*vm, "reboot -f"), 32);
}

TEST_P(BootTest, EightProcessors5GibAndALargeInitrdPanics) {
  const LargeInitrd initrd = MakeLargeInitrd(GetParam());
  auto vm = Boot({.cpus = 8, .memory_mib = 5120, .extended_status = true, .initrd = initrd.path});

  CheckProcessors(*vm, 8);
  CheckMemory(*vm, 5120);
  EXPECT_EQ(Say(*vm, "crc32 < /large"), absl::StrFormat("%08x\n", initrd.crc));
  CheckMemoryAbove4Gib(*vm, initrd.crc);
  EXPECT_EQ(End(*vm, kPanic), 34);
}

// How a panic ends depends on the machine and on pvpanic's driver: one kernel shows it.
class PanicTest : public BootTest {};

TEST_P(PanicTest, WithoutPvpanicIsAReset) {
  auto vm = Boot({.extended_status = true});

  EXPECT_EQ(Say(*vm, "rmmod pvpanic-pci"), "");
  EXPECT_EQ(End(*vm, kPanic), 32);
}

TEST_P(PanicTest, IsAnEndLikeOthersWithoutExtendedStatus) {
  auto vm = Boot({.bzimage = true, .cpus = 2});

  EXPECT_EQ(End(*vm, kPanic), 0);
}

INSTANTIATE_TEST_SUITE_P(Cloud, BootTest, ::testing::Values(kCloudKernel));
INSTANTIATE_TEST_SUITE_P(Cloud, PanicTest, ::testing::Values(kCloudKernel));
INSTANTIATE_TEST_SUITE_P(Generic, BootTest, ::testing::Values(kGenericKernel));

}  // namespace
}  // namespace touchstone
