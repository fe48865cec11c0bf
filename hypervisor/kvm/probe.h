// Tells a KVM that runs guest code on the processor from one that emulates it.
//
// A /dev/kvm inside some virtual machines interprets the guest's kernel-mode code, a thousand times
// slower than the processor, and lacks instructions: small guests run, operating systems do not.
// The probe times a loop of a few thousand instructions in a guest and compares with the same loop
// in this process. Because it compares, a true KVM nested in an emulated machine, where both are
// slow alike, counts as hardware. It takes some milliseconds.

#ifndef TOUCHSTONE_HYPERVISOR_KVM_PROBE_H_
#define TOUCHSTONE_HYPERVISOR_KVM_PROBE_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "hypervisor/hypervisor.h"

namespace touchstone {

enum class KvmKind {
  // Guest code runs about as fast as host code.
  kHardware,
  // Guest kernel code is interpreted.
  kEmulating,
  // There is no KVM to use at all.
  kUnusable,
};

struct KvmProbe {
  KvmKind kind = KvmKind::kUnusable;
  // One line: what was measured, or why KVM cannot be used.
  std::string explanation;
};

// Probes the KVM device at `path`.
KvmProbe ProbeKvm(absl::string_view path);

// The same for a hypervisor that is open already. A guest that does not end its loop in `patience`
// counts as unusable.
KvmProbe ProbeHypervisor(Hypervisor& hypervisor, absl::Duration patience);

// kHardware or kEmulating, from the time of the loop in the guest and in this process.
KvmKind ClassifyKvm(absl::Duration guest, absl::Duration host);

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_KVM_PROBE_H_
