// Two configurations into one (crosvm.md 4.3).

#ifndef TOUCHSTONE_VMM_CONFIG_MERGE_H_
#define TOUCHSTONE_VMM_CONFIG_MERGE_H_

#include "devices/module/dynamic_message.h"

namespace touchstone {

// What `later` has takes the place of the same option of `into`, whole; what may be given again is
// appended. Options that `later` has not stay. REQUIRES: both are of the same type.
void MergeOptions(const DynamicMessage& later, DynamicMessage& into);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_MERGE_H_
