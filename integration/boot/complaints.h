// What a guest's kernel complains about, in a form that two boots can be compared by.
//
//   const std::set<std::string> ours = Complaints(our_log), theirs = Complaints(their_log);
//   EXPECT_THAT(Missing(ours, theirs), IsEmpty());
//
// A complaint is a line of level "warning" or worse, or one of any level that names a part of the
// platform (ACPI, PCI, interrupt controllers, timers, clocks ...) together with a word such as
// "failed" or "does not". Time stamps are dropped, and numbers and addresses become "#". Of a
// warning with a register dump and a stack trace only the lines that say what happened count.

#ifndef TOUCHSTONE_INTEGRATION_BOOT_COMPLAINTS_H_
#define TOUCHSTONE_INTEGRATION_BOOT_COMPLAINTS_H_

#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace touchstone {

// `log` is what `dmesg -r` prints: lines such as "<4>[    0.123456] text".
std::set<std::string> Complaints(absl::string_view log);

// What is in `ours` and not in `theirs`.
std::vector<std::string> Missing(const std::set<std::string>& ours,
                                 const std::set<std::string>& theirs);

}  // namespace touchstone

#endif  // TOUCHSTONE_INTEGRATION_BOOT_COMPLAINTS_H_
