// Files of the host that a test makes and looks at.

#ifndef TOUCHSTONE_INTEGRATION_TESTING_TEST_FILES_H_
#define TOUCHSTONE_INTEGRATION_TESTING_TEST_FILES_H_

#include <string>

#include "absl/strings/string_view.h"

namespace touchstone {

// A path in the test's own folder.
std::string TemporaryPath(absl::string_view name);

// All of a file; empty when it cannot be read.
std::string ReadFile(const std::string& path);

}  // namespace touchstone

#endif  // TOUCHSTONE_INTEGRATION_TESTING_TEST_FILES_H_
