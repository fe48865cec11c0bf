// A Debian guest finds what the options of the machine promise. Few boots, with many options each.

#include <sys/types.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/boot/linux_guest.h"
#include "integration/testing/runfiles.h"
#include "integration/testing/test_files.h"
#include "integration/testing/vm.h"
#include "vmm/machine/acpi/aml.h"
#include "vmm/machine/acpi/processor_performance.h"
#include "vmm/machine/acpi/sdt.h"

namespace touchstone {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

template <typename Bytes>
std::string WriteFile(absl::string_view name, const Bytes& bytes) {
  std::string path = TemporaryPath(name);
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  return path;
}

// A table with a device of its own, which the guest's ACPI only has when it took the table.
std::vector<uint8_t> TableWithDevice() {
  const std::vector<Aml> device = {Aml::Name("_HID", Aml::String("TCHS0007")),
                                   Aml::Name("_UID", Aml::Integer(1))};
  return BuildSdt("SSDT", 2, Aml::Scope("\\_SB", {Aml::Device("TST0", device)}).bytes());
}

// Performance of the first processor, as --itmt would say it of a host that has such.
std::vector<uint8_t> TableWithPerformance() {
  std::vector<uint8_t> terms =
      Aml::Scope("\\_SB.CPUS.C000", {PerformanceControl({44, 24, 11, 1, 25, 400, 2600})}).bytes();
  const Aml platform = Aml::Scope("\\_SB", {PlatformCapabilities()});
  terms.insert(terms.end(), platform.bytes().begin(), platform.bytes().end());
  return BuildSdt("SSDT", 2, terms);
}

// One field of /proc/PID/status, such as VmLck.
std::string StatusOf(pid_t pid, absl::string_view field) {
  const std::string text = ReadFile(absl::StrCat("/proc/", pid, "/status"));
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(":\t", 1));
    if (parts[0] == field) return parts.back();
  }
  return "";
}

// KiB of the process's memory that the host maps by huge pages.
uint64_t HugeKib(pid_t pid) {
  uint64_t total = 0;
  const std::string text = ReadFile(absl::StrCat("/proc/", pid, "/smaps"));
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    uint64_t kib = 0;
    if (words.size() == 3 && (words[0] == "AnonHugePages:" || words[0] == "ShmemPmdMapped:") &&
        absl::SimpleAtoi(words[1], &kib)) {
      total += kib;
    }
  }
  return total;
}

// /proc/PID/task/TID of each thread of the process, by its name.
std::string TaskOf(pid_t pid, absl::string_view name) {
  for (const auto& entry :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/task"))) {
    if (ReadFile(entry.path() / "comm") == absl::StrCat(name, "\n")) return entry.path();
  }
  return "";
}

// The scheduling policy and priority of a thread (proc(5), fields 41 and 40 of stat; its name has
// no blanks).
std::vector<std::string> SchedulingOf(const std::string& task) {
  const std::vector<std::string> fields = absl::StrSplit(ReadFile(task + "/stat"), ' ');
  return {fields.at(40), fields.at(39)};
}

// The APIC ids of the host's processors, one a line.
std::string HostApicIds() {
  std::string ids;
  for (const absl::string_view line : absl::StrSplit(ReadFile("/proc/cpuinfo"), '\n')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, ": ");
    if (absl::StartsWith(line, "apicid")) absl::StrAppend(&ids, parts.back(), "\n");
  }
  return ids;
}

std::unique_ptr<Vm> Boot(std::vector<std::string> options, int cpus, std::string cpu_keys = "") {
  std::unique_ptr<Vm> vm =
      StartLinux(kCloudKernel, {.cpus = cpus,
                                .cpu_keys = std::move(cpu_keys),
                                .memory_mib = 256,
                                .extended_status = true,
                                .initrd = Runfile("integration/images/tools_initramfs.cpio"),
                                .options = std::move(options)});
  const absl::StatusOr<std::string> release = vm->AwaitReady(kBootLimit);
  EXPECT_TRUE(release.ok()) << release.status();
  return vm;
}

int End(Vm& vm, absl::string_view command) {
  EXPECT_TRUE(vm.RunWithoutAnswer(command).ok());
  const absl::StatusOr<int> status = vm.Wait(kCommandLimit);
  EXPECT_TRUE(status.ok()) << status.status();
  return status.value_or(-1);
}

void CheckSmbios(Vm& vm) {
  EXPECT_EQ(Say(vm,
                "for name in bios-vendor bios-version system-manufacturer system-product-name "
                "system-serial-number system-uuid; do dmidecode -s $name; done"),
            "Vendor\n1.2\nMaker\nProduct\nSerial\n00112233-4455-6677-8899-aabbccddeeff\n");
  EXPECT_THAT(Say(vm, "dmidecode -q -t 11"),
              HasSubstr("OEM Strings\n\tString 1: first\n\tString 2: second=2\n"));
}

void CheckAcpiTables(Vm& vm, const std::vector<uint8_t>& table) {
  EXPECT_EQ(Say(vm, "cat /sys/bus/acpi/devices/TCHS0007:00/hid"), "TCHS0007\n");
  EXPECT_EQ(Say(vm, "crc32 < /sys/firmware/acpi/tables/OEM7"),
            absl::StrCat(absl::Hex(Crc32(absl::string_view(
                                       reinterpret_cast<const char*>(table.data()), table.size())),
                                   absl::kZeroPad8),
                         "\n"));
  EXPECT_EQ(Say(vm,
                "cd /sys/devices/system/cpu/cpu0/acpi_cppc && cat highest_perf nominal_perf "
                "lowest_nonlinear_perf lowest_perf lowest_freq nominal_freq"),
            "44\n24\n11\n1\n400\n2600\n");
}

void CheckFwCfg(Vm& vm) {
  EXPECT_EQ(Say(vm, "modprobe qemu_fw_cfg; cat /sys/firmware/qemu_fw_cfg/rev"), "1\n");
  EXPECT_EQ(Say(vm,
                "cd /sys/firmware/qemu_fw_cfg/by_name/opt; cat text/raw; echo; cat file/raw | "
                "sha256sum; cat file/size file/key"),
            Say(vm, "echo hello; yes touchstone | head -c 5000 | sha256sum; echo 5000; echo 33"));
}

void CheckPciOptions(Vm& vm) {
  EXPECT_EQ(Say(vm, "lspci -n -s 00:1e.0"), "00:1e.0 0880: 1af4:1045 (rev 03)\n");
  EXPECT_THAT(Say(vm, "lspci -n -v -s 00:1e.0"), HasSubstr("Subsystem: 0001:0002\n"));
  // The interrupt pin of the entropy device.
  EXPECT_EQ(Say(vm, "od -An -tx1 -j61 -N1 /sys/bus/pci/devices/0000:00:01.0/config"), " 00\n");
  EXPECT_THAT(Say(vm, "cat /proc/interrupts"), HasSubstr("virtio0-input"));
  EXPECT_THAT(Say(vm, "cat /proc/iomem"),
              AllOf(ContainsRegex("b0000000-b00fffff : PCI MMCONFIG 0000"),
                    ContainsRegex("\nc1000000-dfffffff : PCI Bus 0000:00"),
                    ContainsRegex("\ne0001000-[0-9a-f]+ : PCI Bus 0000:00")));
  EXPECT_THAT(Say(vm, "head -n1 /sys/bus/pci/devices/0000:00:01.0/resource"),
              StartsWith("0x00000000c1"));
}

// The letters of the file's second page, and none of the guest's writes.
void CheckFileBackedMapping(Vm& vm) { EXPECT_EQ(Say(vm, "devmem 0xe0000000 32"), "0x62626262\n"); }

constexpr size_t kFileMemory = 16 << 20;

// What the option calls RAM is the kernel's.
void CheckFileMemory(Vm& vm) {
  EXPECT_THAT(Say(vm, "cat /proc/iomem"), HasSubstr("20000000-20ffffff : System RAM"));
}

// Linux takes what it needs early from the end of memory, and that is the file.
void CheckMemoryFile(const std::string& path) {
  const std::string content = ReadFile(path);
  EXPECT_EQ(content.size(), kFileMemory);
  EXPECT_NE(content.find_first_not_of('\0'), std::string::npos);
}

// A disk and a console.
void CheckPciAddresses(Vm& vm) {
  EXPECT_THAT(Say(vm, "lspci -n -s 00:1d.0"), HasSubstr(": 1af4:1042 "));
  EXPECT_THAT(Say(vm, "lspci -n -s 00:1c.0"), HasSubstr(": 1af4:1043 "));
}

// The pool has that size, and the requests to the entropy device go through it.
void CheckBounceBuffers(Vm& vm) {
  EXPECT_EQ(Say(vm,
                "mount -t debugfs debugfs /sys/kernel/debug && cd /sys/kernel/debug && "
                "cat swiotlb/io_tlb_nslabs && "
                "echo 1 > tracing/events/swiotlb/swiotlb_bounced/enable && "
                "head -c 4096 /dev/hwrng | wc -c && "
                "grep -q 'swiotlb_bounced.*FORCE' tracing/trace && echo bounced"),
            "4096\n4096\nbounced\n");
  // VIRTIO_F_ACCESS_PLATFORM, bit 33, of the entropy device.
  EXPECT_EQ(Say(vm, "cut -c34 /sys/bus/pci/devices/0000:00:01.0/virtio*/features"), "1\n");
}

TEST(MachineOptionsTest, TablesFilesAndPci) {
  const std::vector<uint8_t> table = BuildSdt("OEM7", 1, {1, 2, 3});
  std::string touchstones;
  while (touchstones.size() < 5000) touchstones += "touchstone\n";
  touchstones.resize(5000);
  const std::string memory = WriteFile("memory", std::string(kFileMemory, '\0'));
  const std::string pages = std::string(4096, 'a') + std::string(4096, 'b');
  auto vm = Boot(
      {
          absl::StrCat("--smbios=bios-vendor=Vendor,bios-version=1.2,manufacturer=Maker,",
                       "product-name=Product,serial-number=Serial,",
                       "uuid=00112233-4455-6677-8899-aabbccddeeff,oem-strings=[first]"),
          "--oem-strings=second=2",
          absl::StrCat("--acpi-table=", WriteFile("device", TableWithDevice())),
          absl::StrCat("--acpi-table=", WriteFile("performance", TableWithPerformance())),
          absl::StrCat("--acpi-table=", WriteFile("table", table)),
          "--fw-cfg=opt/text,string=hello",
          absl::StrCat("--fw-cfg=name=opt/file,path=", WriteFile("fw_cfg", touchstones)),
          absl::StrCat("--stub-pci-device=00:1e.0,vendor=0x1af4,device=0x1045,class=0x088000,",
                       "subsystem_vendor=1,subsystem_device=2,revision=3"),
          "--disable-virtio-intx",
          "--swiotlb=8",
          "--pci-start=0xc0000000",
          "--pcie-ecam=0xb0000000,0x10000000",
          "--mmio-address-range=0xc0000000-0xc0ffffff",
          absl::StrCat("--file-backed-mapping=path=", WriteFile("pages", pages),
                       ",addr=0xe0000000,size=4096,offset=4096"),
          absl::StrCat("--file-backed-mapping=path=", memory, ",addr=0x20000000,size=", kFileMemory,
                       ",rw,ram"),
          absl::StrCat("--block=path=", WriteFile("disk", pages), ",dontcache,pci-address=00:1d.0"),
          "--serial=hardware=virtio-console,num=4,type=sink,pci-address=00:1c.0",
      },
      1);

  CheckSmbios(*vm);
  CheckAcpiTables(*vm, table);
  CheckFwCfg(*vm);
  CheckPciOptions(*vm);
  CheckFileBackedMapping(*vm);
  CheckFileMemory(*vm);
  CheckPciAddresses(*vm);
  CheckBounceBuffers(*vm);
  EXPECT_EQ(End(*vm, "poweroff -f"), 0);
  CheckMemoryFile(memory);
}

// By /proc/cpuinfo, in the guest's order of its processors.
std::string ApicIds(Vm& vm) { return Say(vm, "awk '/^apicid/ {print $3}' /proc/cpuinfo"); }

// One of each of the guest's processors.
std::string OfProcessors(Vm& vm, absl::string_view file) {
  return Say(vm, absl::StrCat("cat /sys/devices/system/cpu/cpu[0-9]/", file));
}

// Three cores of two threads. Two of the cores share a level 2 cache, which are those that come
// from APIC id 0 on. The last virtual CPU boots, and so is the guest's first.
TEST(MachineOptionsTest, ClustersAndBootCpu) {
  auto vm = Boot({}, 6, "boot-cpu=5,clusters=[[2-5]]");

  EXPECT_EQ(ApicIds(*vm), "3\n4\n5\n0\n1\n2\n");
  // Whatever its number is: KVM tells no caches of level 1 on some processors.
  EXPECT_EQ(Say(*vm,
                "for cache in /sys/devices/system/cpu/cpu[0-9]/cache/index*; do "
                "grep -q 2 $cache/level && cat $cache/shared_cpu_list; done"),
            "0,3-5\n1-2\n1-2\n0,3-5\n0,3-5\n0,3-5\n");
  EXPECT_EQ(OfProcessors(*vm, "topology/core_cpus_list"), "0,5\n1-2\n1-2\n3-4\n3-4\n0,5\n");
  EXPECT_EQ(OfProcessors(*vm, "topology/package_cpus_list"), "0-5\n0-5\n0-5\n0-5\n0-5\n0-5\n");
  EXPECT_THAT(Say(*vm, "lscpu"), AllOf(ContainsRegex("Thread\\(s\\) per core: +2\n"),
                                       ContainsRegex("Core\\(s\\) per socket: +3\n"),
                                       ContainsRegex("Socket\\(s\\): +1\n"),
                                       ContainsRegex("L2 cache: .*\\(2 instances\\)\n")));
  EXPECT_EQ(End(*vm, "poweroff -f"), 0);
}

// A boot that panics, and one that reads what the first left.
class PstoreTest : public testing::Test {
 protected:
  PstoreTest()
      : store_(TemporaryPath("store")),
        pstore_(absl::StrCat("--pstore=path=", store_, ",size=0x100000")) {}
  static std::string Mount(Vm& vm) {
    return Say(vm,
               "modprobe ramoops && mount -t pstore pstore /sys/fs/pstore && ls /sys/fs/pstore");
  }

  const std::string store_;
  const std::string pstore_;
};

TEST_F(PstoreTest, TheNextBootReadsTheLogOfAPanic) {
  {
    auto vm = Boot({pstore_, "--hugepages", "--lock-guest-memory", "--no-smt", "--cpu-affinity=1=0",
                    "--hypervisor=kvm[device=/dev/kvm]", "--irqchip=kernel"},
                   2);
    EXPECT_EQ(Say(*vm, "cat /sys/devices/system/cpu/cpu1/topology/thread_siblings_list"), "1\n");
    const std::string vcpu1 = TaskOf(vm->pid(), "vcpu1");
    EXPECT_THAT(ReadFile(vcpu1 + "/status"), HasSubstr("Cpus_allowed_list:\t0\n"));
    // Others than root may get a warning, and the guest runs all the same.
    if (geteuid() == 0) EXPECT_EQ(StatusOf(vm->pid(), "VmLck"), "  262144 kB");

    // As many as the host has free, if it has any for memory that jailed devices share.
    if (!absl::StrContains(ReadFile("/sys/kernel/mm/transparent_hugepage/shmem_enabled"),
                           "[never]")) {
      EXPECT_GE(HugeKib(vm->pid()), 32u << 10);
    }

    EXPECT_EQ(Mount(*vm), "");
    EXPECT_EQ(Say(*vm, "echo a line for the next boot > /dev/kmsg"), "");
    EXPECT_EQ(End(*vm, "echo c > /proc/sysrq-trigger"), 34);
  }
  EXPECT_EQ(std::filesystem::file_size(store_), 0x100000u);

  // As many processors as the host has, and not more: a real-time one may keep all others from
  // running.
  const int cpus = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  auto vm =
      Boot({pstore_, "--host-cpu-topology", "--force-calibrated-tsc-leaf", "--rt-cpus=0"}, cpus);
  EXPECT_EQ(ApicIds(*vm), HostApicIds());
  const std::string vcpu0 = TaskOf(vm->pid(), "vcpu0");
  EXPECT_THAT(ReadFile(vcpu0 + "/status"), HasSubstr("Cpus_allowed_list:\t0\n"));
  if (geteuid() == 0) EXPECT_THAT(SchedulingOf(vcpu0), ElementsAre("2", "6"));
  EXPECT_THAT(Mount(*vm), HasSubstr("dmesg-ramoops-0\n"));
  EXPECT_THAT(Say(*vm, "cat /sys/fs/pstore/dmesg-ramoops-*"),
              AllOf(HasSubstr("a line for the next boot"),
                    HasSubstr("Kernel panic - not syncing: sysrq triggered crash")));
  EXPECT_EQ(End(*vm, "poweroff -f"), 0);
}

}  // namespace
}  // namespace touchstone
