// Answers `touchstone --version` and `touchstone version` before any constructor runs.
//
// Nothing but a run needs what libraries initialise at every start. A function in .preinit_array
// runs before them, with libc ready. Linked into the binary only; the command library answers the
// same questions for everybody else, so leaving this out changes nothing but time. Sanitizers set
// themselves up in the same array and must come first, so their builds go without.

#include <unistd.h>

#include <cstring>

#include "vmm/cli/version.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define TOUCHSTONE_NO_EARLY_VERSION 1
#endif
#endif

#ifndef TOUCHSTONE_NO_EARLY_VERSION
namespace touchstone {
namespace {

void AnswerVersion(int argc, char** argv, char** /*environment*/) {
  if (argc != 2 || (std::strcmp(argv[1], "--version") != 0 && std::strcmp(argv[1], "version") != 0))
    return;
  constexpr ssize_t kSize = sizeof(kVersionLine) - 1;
  _exit(write(STDOUT_FILENO, kVersionLine, kSize) == kSize ? 0 : 1);
}

__attribute__((section(".preinit_array"),
               used)) void (*const answer_version)(int, char**, char**) = AnswerVersion;

}  // namespace
}  // namespace touchstone
#endif
