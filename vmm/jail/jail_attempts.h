// What somebody who got hold of a jailed process might try next.

#ifndef TOUCHSTONE_VMM_JAIL_JAIL_ATTEMPTS_H_
#define TOUCHSTONE_VMM_JAIL_JAIL_ATTEMPTS_H_

#include <string>

#include "absl/strings/string_view.h"

namespace touchstone {

// Tries what `attempt` names ("open", "mount", "fork"; the function lists them), and says how it
// went: "ok", what was found, or the name of an errno. Does not return from what a policy kills
// for.
std::string TryInJail(absl::string_view attempt);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_JAIL_JAIL_ATTEMPTS_H_
