// The manual page, touchstone(1).

#ifndef TOUCHSTONE_VMM_CONFIG_MAN_PAGE_H_
#define TOUCHSTONE_VMM_CONFIG_MAN_PAGE_H_

#include <string>
#include <vector>

#include "vmm/config/completion.h"
#include "vmm/config/help.h"

namespace touchstone {

// In the man(7) macros. `global` are the options before the sub-command, `run` those of run.
std::string ManPage(OptionTypes global, OptionTypes run,
                    const std::vector<CompletedCommand>& commands);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_MAN_PAGE_H_
