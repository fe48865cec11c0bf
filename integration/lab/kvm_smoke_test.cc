// A vCPU runs 16 million instructions: under hardware KVM and in the lab that takes a moment, under
// a KVM that emulates some eight seconds.

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

#include "gtest/gtest.h"

namespace {

constexpr uint64_t kCodeAddress = 0x1000;
// Real mode: counts cx down from 0xffff, 256 times over, then halts.
constexpr uint8_t kCode[] = {
    0xb8, 0x00, 0x00,  // mov ax, 0
    0xb9, 0xff, 0xff,  // outer: mov cx, 0xffff
    0xe2, 0xfe,        // inner: loop inner
    0x48,              // dec ax
    0x3d, 0x00, 0xff,  // cmp ax, 0xff00
    0x75, 0xf5,        // jne outer
    0xf4,              // hlt
};

TEST(KvmSmokeTest, VcpuRunsSixteenMillionInstructionsThenHalts) {
  const int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  ASSERT_GE(kvm, 0) << strerror(errno);
  const int vm = ioctl(kvm, KVM_CREATE_VM, 0);
  ASSERT_GE(vm, 0) << strerror(errno);
  void* memory = mmap(nullptr, 0x1000, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  memcpy(memory, kCode, sizeof(kCode));
  kvm_userspace_memory_region region = {};
  region.guest_phys_addr = kCodeAddress;
  region.memory_size = 0x1000;
  region.userspace_addr = reinterpret_cast<uintptr_t>(memory);
  ASSERT_EQ(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), 0) << strerror(errno);
  const int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
  ASSERT_GE(vcpu, 0) << strerror(errno);
  const int run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
  auto* run =
      static_cast<kvm_run*>(mmap(nullptr, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0));
  ASSERT_NE(run, MAP_FAILED);
  kvm_sregs sregs;
  ASSERT_EQ(ioctl(vcpu, KVM_GET_SREGS, &sregs), 0);
  sregs.cs.base = 0;
  sregs.cs.selector = 0;
  ASSERT_EQ(ioctl(vcpu, KVM_SET_SREGS, &sregs), 0);
  kvm_regs regs = {};
  regs.rip = kCodeAddress;
  regs.rflags = 2;
  ASSERT_EQ(ioctl(vcpu, KVM_SET_REGS, &regs), 0);

  ASSERT_EQ(ioctl(vcpu, KVM_RUN, 0), 0) << strerror(errno);

  EXPECT_EQ(run->exit_reason, static_cast<uint32_t>(KVM_EXIT_HLT));
  ASSERT_EQ(ioctl(vcpu, KVM_GET_REGS, &regs), 0);
  EXPECT_EQ(regs.rip, kCodeAddress + sizeof(kCode));
  EXPECT_EQ(regs.rax & 0xffff, 0xff00u);
  EXPECT_EQ(regs.rcx & 0xffff, 0u);
}

}  // namespace
