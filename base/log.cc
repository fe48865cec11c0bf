#include "base/log.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace touchstone {
namespace {

constexpr size_t kMaxLine = 1024;

struct Levels {
  LogLevel fallback = LogLevel::kInfo;
  std::map<std::string, LogLevel, std::less<>> modules;
  // What this one replaced; kept reachable, read by nobody.
  const Levels* former = nullptr;
};

// Replaced as a whole and never freed: a reader on another thread may still hold the old one.
std::atomic<const Levels*> g_levels{nullptr};
std::atomic<int> g_fd{STDERR_FILENO};
std::atomic<void (*)(LogLevel, absl::string_view)> g_copy{nullptr};

constexpr absl::string_view kNames[] = {"off", "error", "warn", "info", "debug", "trace"};

std::optional<LogLevel> ParseLevel(absl::string_view name) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<LogLevel>(i);
  }
  return std::nullopt;
}

int64_t MonotonicSecond() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return now.tv_sec;
}

}  // namespace

absl::Status SetLogLevels(absl::string_view specification) {
  auto levels = std::make_unique<Levels>();
  for (absl::string_view part : absl::StrSplit(specification, ',')) {
    std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    const bool is_default = part.find('=') == absl::string_view::npos;
    const std::optional<LogLevel> level = ParseLevel(is_default ? part : pair.second);
    if (!level.has_value() || (!is_default && pair.first.empty())) {
      return absl::InvalidArgumentError(absl::StrCat(
          "'", part,
          "' is no log level: off, error, warn, info, debug, trace or MODULE=LEVEL is accepted"));
    }
    if (is_default) {
      levels->fallback = *level;
    } else {
      levels->modules[std::string(pair.first)] = *level;
    }
  }
  Levels* const published = levels.release();
  published->former =
      g_levels.exchange(published, std::memory_order_release);  // readers see a complete table
  return absl::OkStatus();
}

bool LogEnabled(LogLevel level, absl::string_view module) {
  const Levels* levels = g_levels.load(std::memory_order_acquire);  // pairs with SetLogLevels
  if (levels == nullptr) return level <= LogLevel::kInfo;
  const auto it = levels->modules.find(module);
  return level <= (it == levels->modules.end() ? levels->fallback : it->second);
}

void SetLogCopy(void (*copy)(LogLevel level, absl::string_view line)) {
  g_copy.store(copy, std::memory_order_release);  // what it uses is there
}

void SetLogFd(int fd) { g_fd.store(fd, std::memory_order_relaxed); }

namespace internal {

bool AdmitLog(LogSite& site) {
  const int64_t now = MonotonicSecond();
  // Relaxed: two threads racing into a new second print a few lines more or less, which harms
  // nothing.
  if (site.second.exchange(now, std::memory_order_relaxed) != now) {
    site.used.store(0, std::memory_order_relaxed);
  }
  if (site.used.fetch_add(1, std::memory_order_relaxed) < kBurstPerSecond) return true;
  site.held_back.fetch_add(1, std::memory_order_relaxed);
  return false;
}

void WriteLog(LogSite& site, LogLevel level, absl::string_view module, const std::string& text) {
  const std::string prefix = absl::StrCat("touchstone: ", kNames[static_cast<int>(level)], ": ");
  std::string line = absl::StrCat(prefix, module, ": ", text);
  if (const int lost = site.held_back.exchange(0, std::memory_order_relaxed); lost > 0) {
    absl::StrAppend(&line, " (", lost, " like it held back)");
  }
  line.resize(std::min(line.size(), kMaxLine - 1));
  std::replace_if(line.begin(), line.end(), absl::ascii_iscntrl, '?');
  // Acquire: pairs with SetLogCopy.
  if (const auto copy = g_copy.load(std::memory_order_acquire); copy != nullptr) {
    copy(level, absl::string_view(line).substr(prefix.size()));
  }
  line.push_back('\n');
  // A log line that cannot be written has nowhere else to go.
  [[maybe_unused]] const ssize_t ignored =
      write(g_fd.load(std::memory_order_relaxed), line.data(), line.size());
}

void CheckFailed(const char* expression, const char* file, int line) {
  const std::string text =
      absl::StrCat("touchstone: ", file, ":", line, ": CHECK failed: ", expression, "\n");
  [[maybe_unused]] const ssize_t ignored = write(STDERR_FILENO, text.data(), text.size());
  std::abort();
}

}  // namespace internal
}  // namespace touchstone
