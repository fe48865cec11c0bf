// Runs jail_probe in a jail, for tests.

#ifndef TOUCHSTONE_VMM_JAIL_JAIL_TESTING_H_
#define TOUCHSTONE_VMM_JAIL_JAIL_TESTING_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "vmm/jail/jailed_process.h"
#include "vmm/jail/policy.h"
#include "vmm/jail/spawn.h"

namespace touchstone {

// A policy that allows all: what the rest of the jail holds back.
Policy AllowAll();

struct ProbeOutcome {
  absl::Status confined;  // Of Spawn and AwaitConfined.
  std::string line;       // What the probe said, if it lived.
  absl::Status end;
};

// Tries `attempt` (jail_probe.cc) under `policy`.
ProbeOutcome RunProbe(const std::string& attempt, const Policy& policy,
                      const std::string& pivot_root = "");

// A request for that, whose descriptors live as long as the returned object.
class ProbeRequest {
 public:
  ProbeRequest(const std::string& attempt, const Policy& policy);
  [[nodiscard]] const SpawnRequest& request() const { return request_; }
  // The parent's end of the result. Closes the child's.
  ScopedFd TakeResult();

 private:
  ScopedFd executable_;
  ScopedFd filter_;
  ScopedFd read_;
  ScopedFd write_;
  SpawnRequest request_;
};

// What `body` returns in a child process with that user and group and no others; "not root" when
// this process may not.
std::string AsUser(unsigned int id, const std::function<std::string()>& body);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_JAIL_JAIL_TESTING_H_
