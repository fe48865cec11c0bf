#include "base/system_log.h"

#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/scoped_fd.h"
#include "base/status.h"
#include "base/unix_socket.h"

namespace touchstone {
namespace {

struct SystemLog {
  ScopedFd socket;
  std::string tag;
};

// Never freed: a thread may log at any moment.
const SystemLog* g_log = nullptr;

int Severity(LogLevel level) {
  switch (level) {
    case LogLevel::kOff:
    case LogLevel::kError:
      return LOG_ERR;
    case LogLevel::kWarning:
      return LOG_WARNING;
    case LogLevel::kInfo:
      return LOG_INFO;
    case LogLevel::kDebug:
    case LogLevel::kTrace:
      return LOG_DEBUG;
  }
  return LOG_INFO;
}

void Send(LogLevel level, absl::string_view text) {
  const std::string line = SystemLogMessage(level, text);
  send(g_log->socket.get(), line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

char Printable(char byte) {
  if (byte == '\t') return ' ';
  return absl::ascii_iscntrl(static_cast<unsigned char>(byte)) ? '?' : byte;
}

}  // namespace

// RFC 3164, 4.1, without the host name, as the C library writes to the local daemon.
std::string SystemLogMessage(LogLevel level, absl::string_view text) {
  char when[32] = "";
  const time_t now = time(nullptr);
  tm local = {};
  localtime_r(&now, &local);
  strftime(when, sizeof(when), "%h %e %T", &local);
  std::string message =
      absl::StrCat("<", LOG_USER | Severity(level), ">", when, " ",
                   g_log == nullptr ? "touchstone" : g_log->tag, "[", getpid(), "]: ", text);
  std::transform(message.begin(), message.end(), message.begin(), Printable);
  return message;
}

absl::Status StartSystemLog(absl::string_view tag, const std::string& path) {
  ASSIGN_OR_RETURN(ScopedFd fd, ConnectUnix(path, SOCK_DGRAM));
  g_log = new SystemLog{std::move(fd), std::string(tag)};
  SetLogCopy(Send);
  return absl::OkStatus();
}

}  // namespace touchstone
