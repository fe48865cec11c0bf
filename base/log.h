// Leveled log lines on standard error, and CHECK for programmer errors.
//
//   LOG(kWarning, "serial", "port %d: %s", port, status.message());
//   CHECK(index < size_);
//
// Debian's Abseil has no absl/log, and glog's start-up costs more than a whole VM start; this is
// the little that is needed. A line is formatted with absl::StrFormat, cut at 1024 bytes and
// written by one write(2), so lines of several threads never mix. Control characters become '?', so
// that what a guest has put into a line can neither forge another nor steer the terminal. Each call
// site prints at most kBurstPerSecond lines a second (a guest must not flood the host's disk): what
// it held back is counted and said with its next line.
//
// Thread-safe.

#ifndef TOUCHSTONE_BASE_LOG_H_
#define TOUCHSTONE_BASE_LOG_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/base/optimization.h"
#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace touchstone {

enum class LogLevel : int { kOff = 0, kError, kWarning, kInfo, kDebug, kTrace };

// Sets levels from a specification: a default level and module overrides, comma separated: "info",
// "warn,serial=debug". Levels: off, error, warn, info, debug, trace. A module is the second
// argument of LOG.
absl::Status SetLogLevels(absl::string_view specification);

// True when a line of this level and module would be printed.
bool LogEnabled(LogLevel level, absl::string_view module);

// Where lines go, standard error (2) at first. The descriptor is borrowed and must outlive all
// logging.
void SetLogFd(int fd);

// Who gets each line that is printed too: "module: text", without the line's end and its level's
// name. Called from any thread; must not log.
void SetLogCopy(void (*copy)(LogLevel level, absl::string_view line));

namespace internal {

inline constexpr int kBurstPerSecond = 10;

// One per call site: its budget for the current second.
struct LogSite {
  std::atomic<int64_t> second{-1};
  std::atomic<int> used{0};
  std::atomic<int> held_back{0};
};

// True when the site may print now.
bool AdmitLog(LogSite& site);
void WriteLog(LogSite& site, LogLevel level, absl::string_view module, const std::string& text);
[[noreturn]] void CheckFailed(const char* expression, const char* file, int line);

}  // namespace internal
}  // namespace touchstone

#define LOG(level, module, ...)                                                        \
  do {                                                                                 \
    if (::touchstone::LogEnabled(::touchstone::LogLevel::level, module)) {             \
      static ::touchstone::internal::LogSite _site;                                    \
      if (::touchstone::internal::AdmitLog(_site)) {                                   \
        ::touchstone::internal::WriteLog(_site, ::touchstone::LogLevel::level, module, \
                                         absl::StrFormat(__VA_ARGS__));                \
      }                                                                                \
    }                                                                                  \
  } while (false)

// Aborts with file and line when `condition` is false: a mistake of ours. Never reachable from
// guest bytes, files or peers.
#define CHECK(condition)        \
  (ABSL_PREDICT_TRUE(condition) \
       ? static_cast<void>(0)   \
       : ::touchstone::internal::CheckFailed(#condition, __FILE__, __LINE__))

#endif  // TOUCHSTONE_BASE_LOG_H_
