// Debian's kernels under the touchstone binary.
//
//   std::unique_ptr<Vm> vm = StartLinux(kCloudKernel, {.cpus = 2});
//   ASSERT_TRUE(vm->AwaitReady(kBootLimit).ok());

#ifndef TOUCHSTONE_INTEGRATION_BOOT_LINUX_GUEST_H_
#define TOUCHSTONE_INTEGRATION_BOOT_LINUX_GUEST_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "integration/testing/child_process.h"
#include "integration/testing/vm.h"

namespace touchstone {

// Generous: a lab on a busy machine is some five times as slow as on an idle one.
inline constexpr absl::Duration kBootLimit = absl::Seconds(180);
inline constexpr absl::Duration kCommandLimit = absl::Seconds(60);

// Runfiles of one kernel.
struct LinuxKernel {
  const char* bzimage;
  const char* vmlinux;
  const char* release;    // a file with what `uname -r` says
  const char* initramfs;  // the test guest's
};

inline constexpr LinuxKernel kCloudKernel = {
    "external/debian_cloud_kernel/vmlinuz", "external/debian_cloud_kernel/vmlinux",
    "external/debian_cloud_kernel/release", "integration/images/test_initramfs.cpio"};
inline constexpr LinuxKernel kGenericKernel = {
    "external/debian_generic_kernel/vmlinuz", "external/debian_generic_kernel/vmlinux",
    "external/debian_generic_kernel/release", "integration/images/test_initramfs_generic.cpio"};

struct LinuxOptions {
  bool bzimage = false;  // else the ELF image
  int cpus = 1;
  std::string cpu_keys;  // more keys of --cpus
  int memory_mib = 512;
  bool extended_status = false;
  std::string initrd;                     // an absolute path; else the test guest's initramfs
  std::vector<std::string> options = {};  // more options of `touchstone run`
  ChildProcess::Streams streams = ChildProcess::Streams::kPipes;
};

// Starts the machine with the test guest; standard input and output are its console. It has the
// options, and those that the test was given (test_arguments.h).
std::unique_ptr<Vm> StartLinux(const LinuxKernel& kernel, const LinuxOptions& options);

// What a command says, whatever its status; an error that no expectation fits when the guest does
// not answer within kCommandLimit.
std::string Say(Vm& vm, absl::string_view command);

}  // namespace touchstone

#endif  // TOUCHSTONE_INTEGRATION_BOOT_LINUX_GUEST_H_
