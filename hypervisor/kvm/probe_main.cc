// kvm_probe [PATH]: says on one line what kind of KVM the device (/dev/kvm) is.
//
// Exit status: 0 hardware, 1 emulating, 2 unusable.

#include <cstdio>

#include "hypervisor/kvm/probe.h"

int main(int argc, char** argv) {
  if (argc > 2) {
    std::fprintf(stderr, "usage: %s [PATH]\n", argv[0]);
    return 2;
  }
  const char* path = argc == 2 ? argv[1] : "/dev/kvm";
  const touchstone::KvmProbe probe = touchstone::ProbeKvm(path);
  switch (probe.kind) {
    case touchstone::KvmKind::kHardware:
      std::printf("%s\n", probe.explanation.c_str());
      return 0;
    case touchstone::KvmKind::kEmulating:
      std::printf("%s\n", probe.explanation.c_str());
      return 1;
    case touchstone::KvmKind::kUnusable:
      break;
  }
  std::printf("unusable: %s\n", probe.explanation.c_str());
  return 2;
}
