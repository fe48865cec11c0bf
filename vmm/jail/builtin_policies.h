// What jailed devices, and the machine's own threads, may ask of the kernel: a base that all share,
// and a few words for each.

#ifndef TOUCHSTONE_VMM_JAIL_BUILTIN_POLICIES_H_
#define TOUCHSTONE_VMM_JAIL_BUILTIN_POLICIES_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "vmm/jail/policy.h"

namespace touchstone {

// The policies, by the names that crosvm has for them (crosvm.md 8.2).
inline constexpr absl::string_view kBuiltinPolicies[] = {"rng_device", "block_device",
                                                         "serial_device", "net_device"};

// The machine's own process, once it is set up: the thread of its event loop, and those of its
// vCPUs.
inline constexpr absl::string_view kMainThreadPolicy = "main_thread";
inline constexpr absl::string_view kVcpuPolicy = "vcpu_thread";
// As the main thread's, and may connect to unix sockets: those of vhost-user back ends that were
// lost, and what a jailed device asks for.
inline constexpr absl::string_view kConnectingThreadPolicy = "connecting_thread";

// NotFound for others than these. Those of own threads are for the calling process.
absl::StatusOr<Policy> BuiltinPolicy(absl::string_view name);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_JAIL_BUILTIN_POLICIES_H_
