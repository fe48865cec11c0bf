#include "devices/platform/serial/serial_backend.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/scoped_fd.h"
#include "base/status.h"
#include "base/system_log.h"
#include "devices/platform/serial/fd_sink.h"
#include "devices/platform/serial/fd_source.h"
#include "devices/platform/serial/input_buffer.h"
#include "devices/platform/serial/nonblocking.h"
#include "devices/platform/serial/output_queue.h"
#include "devices/platform/serial/timestamp_output.h"
#include "devices/platform/serial/unix_datagram_sink.h"
#include "devices/platform/serial/unix_stream.h"

namespace touchstone {
namespace {

// NonBlocking() of a descriptor that the process keeps.
absl::StatusOr<ScopedFd> NonBlockingStandard(int fd, int access) {
  ScopedFd borrowed(fd);
  absl::StatusOr<ScopedFd> result = NonBlocking(borrowed, access);
  [[maybe_unused]] const int kept = borrowed.Release();
  return result;
}

absl::StatusOr<ScopedFd> OpenNonBlocking(const std::string& path, int flags, int access) {
  ASSIGN_OR_RETURN(const ScopedFd file, OpenFile(path, flags, 0666));
  return NonBlocking(file, access);
}

absl::StatusOr<ScopedFd> OpenOutput(const SerialConfig& config) {
  return OpenNonBlocking(config.path(), O_WRONLY | O_CREAT | O_APPEND, O_WRONLY);
}

// O_NONBLOCK: a FIFO opens without its writer.
absl::StatusOr<ScopedFd> OpenInput(const SerialConfig& config) {
  return OpenNonBlocking(config.input(), O_RDONLY | O_NONBLOCK, O_RDONLY);
}

absl::Status CheckKeys(const SerialConfig& config) {
  const bool needs_path = config.type() == SerialConfig::FILE ||
                          config.type() == SerialConfig::UNIX ||
                          config.type() == SerialConfig::UNIX_STREAM;
  if (needs_path && config.path().empty()) {
    return absl::InvalidArgumentError("serial: this type needs path=");
  }
  if (config.stdin() && config.has_input()) {
    return absl::InvalidArgumentError("serial: stdin and input exclude each other");
  }
  if (!config.input_unix_stream()) return absl::OkStatus();
  if (config.type() != SerialConfig::UNIX_STREAM) {
    return absl::InvalidArgumentError("serial: input-unix-stream is for type=unix-stream");
  }
  if (config.stdin() || config.has_input()) {
    return absl::InvalidArgumentError(
        "serial: input-unix-stream, stdin and input exclude each other");
  }
  return absl::OkStatus();
}

std::string NameOf(const SerialConfig& config) {
  return config.has_name() ? config.name() : absl::StrCat("port ", config.num());
}

// crosvm.md 1.4: a record for each line. It has the name of the port, as those of the machine have
// that of the module: what a guest writes cannot pass for them.
std::unique_ptr<UnixDatagramSink> OpenSystemLog(const SerialConfig& config,
                                                const std::string& path) {
  // RFC 3164, 4.1: a message has at most 1024 bytes.
  constexpr size_t kMaxMessage = 1024;
  constexpr size_t kMinLine = 128;
  const auto message = [prefix = absl::StrCat(NameOf(config), ": ")](absl::string_view line) {
    return SystemLogMessage(LogLevel::kInfo, absl::StrCat(prefix, line));
  };
  const size_t header = message("").size();
  const size_t max_line = header + kMinLine < kMaxMessage ? kMaxMessage - header : kMinLine;
  auto sink = std::make_unique<UnixDatagramSink>(path, max_line, message);
  if (sink->Connect() == ByteSink::State::kAbsent) {
    LOG(kWarning, "serial", "%s: there is no system log at %s yet", NameOf(config), path);
  }
  return sink;
}

// Where output goes; null for nowhere. Leaves the stream for an input that shares it in `stream`.
absl::StatusOr<std::unique_ptr<ByteSink>> OpenSink(const SerialConfig& config,
                                                   const std::string& log_path,
                                                   std::shared_ptr<UnixStream>& stream) {
  switch (config.type()) {
    case SerialConfig::FILE: {
      ASSIGN_OR_RETURN(ScopedFd fd, OpenOutput(config));
      return std::make_unique<FdSink>(std::move(fd), config.path());
    }
    case SerialConfig::STDOUT: {
      ASSIGN_OR_RETURN(ScopedFd fd, NonBlockingStandard(STDOUT_FILENO, O_WRONLY));
      return std::make_unique<FdSink>(std::move(fd), "standard output");
    }
    case SerialConfig::UNIX:
      return std::make_unique<UnixDatagramSink>(config.path());
    case SerialConfig::UNIX_STREAM:
      stream = std::make_shared<UnixStream>(config.path());
      if (stream->Connect() == nullptr) {
        LOG(kWarning, "serial", "nobody listens at %s yet", config.path());
      }
      return std::make_unique<UnixStreamSink>(stream);
    case SerialConfig::SYSLOG:
      return OpenSystemLog(config, log_path);
    case SerialConfig::SINK:
      break;
  }
  return std::unique_ptr<ByteSink>();
}

// Where input comes from; null for nowhere.
absl::StatusOr<std::unique_ptr<ByteSource>> OpenSource(const SerialConfig& config,
                                                       std::shared_ptr<UnixStream> stream) {
  if (config.input_unix_stream()) return std::make_unique<UnixStreamSource>(std::move(stream));
  if (config.has_input()) {
    ASSIGN_OR_RETURN(ScopedFd fd, OpenInput(config));
    return std::make_unique<FdSource>(std::move(fd));
  }
  if (config.stdin()) {
    ASSIGN_OR_RETURN(ScopedFd fd, NonBlockingStandard(STDIN_FILENO, O_RDONLY));
    return std::make_unique<FdSource>(std::move(fd));
  }
  return std::unique_ptr<ByteSource>();
}

}  // namespace

absl::StatusOr<SerialBackend> OpenSerialBackend(const SerialConfig& config, EventLoop& loop,
                                                Clock& clock, const std::string& log_path) {
  IgnoreBrokenPipes();
  RETURN_IF_ERROR(CheckKeys(config));
  std::shared_ptr<UnixStream> stream;
  ASSIGN_OR_RETURN(std::unique_ptr<ByteSink> sink, OpenSink(config, log_path, stream));
  ASSIGN_OR_RETURN(std::unique_ptr<ByteSource> source, OpenSource(config, std::move(stream)));

  SerialBackend backend;
  if (config.stdin()) {
    ASSIGN_OR_RETURN(backend.terminal, RawTerminal::Enter(STDIN_FILENO));
  }
  if (sink == nullptr) {
    backend.output = std::make_unique<NullOutput>();
  } else {
    backend.output = std::make_unique<OutputQueue>(loop, clock, std::move(sink), NameOf(config));
  }
  if (config.out_timestamp()) {
    backend.output = std::make_unique<TimestampOutput>(std::move(backend.output), clock);
  }
  if (source == nullptr) {
    backend.input = std::make_unique<NullInput>();
  } else {
    backend.input = std::make_unique<InputBuffer>(loop, std::move(source));
  }
  return backend;
}

absl::StatusOr<std::vector<SerialFile>> OpenSerialFiles(const SerialConfig& config) {
  RETURN_IF_ERROR(CheckKeys(config));
  std::vector<SerialFile> files;
  if (config.type() == SerialConfig::FILE) {
    ASSIGN_OR_RETURN(ScopedFd fd, OpenOutput(config));
    files.push_back({config.path(), O_WRONLY, std::move(fd)});
  } else if (config.type() == SerialConfig::STDOUT) {
    ASSIGN_OR_RETURN(ScopedFd fd, NonBlockingStandard(STDOUT_FILENO, O_WRONLY));
    files.push_back({kSerialStandard, O_WRONLY, std::move(fd)});
  }
  if (config.has_input()) {
    ASSIGN_OR_RETURN(ScopedFd fd, OpenInput(config));
    files.push_back({config.input(), O_RDONLY, std::move(fd)});
  } else if (config.stdin()) {
    ASSIGN_OR_RETURN(ScopedFd fd, NonBlockingStandard(STDIN_FILENO, O_RDONLY));
    files.push_back({kSerialStandard, O_RDONLY, std::move(fd)});
  }
  return files;
}

std::vector<SerialSocket> SerialSockets(const SerialConfig& config, const std::string& log_path) {
  switch (config.type()) {
    case SerialConfig::UNIX:
      return {{config.path(), SOCK_DGRAM}};
    case SerialConfig::UNIX_STREAM:
      return {{config.path(), SOCK_STREAM}};
    case SerialConfig::SYSLOG:
      return {{log_path, SOCK_DGRAM}};
    case SerialConfig::FILE:
    case SerialConfig::STDOUT:
    case SerialConfig::SINK:
      break;
  }
  return {};
}

}  // namespace touchstone
