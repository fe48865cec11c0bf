// A program under test: its streams and its end.
//
//   ASSIGN_OR_RETURN(std::unique_ptr<ChildProcess> child,
//                    ChildProcess::Start({"/bin/cat"}, ChildProcess::Streams::kPipes));
//   RETURN_IF_ERROR(child->Write("hello\n", absl::Seconds(1)));
//   while (child->output() != "hello\n") child->Pump(absl::Seconds(1));
//
// What the child writes is collected while one of the calls below runs, and only then: between them
// a talkative child waits. The child is killed by the destructor, and by the kernel if the test
// dies.
//
// Thread-compatible. Ignores SIGPIPE in the whole test.

#ifndef TOUCHSTONE_INTEGRATION_TESTING_CHILD_PROCESS_H_
#define TOUCHSTONE_INTEGRATION_TESTING_CHILD_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/scoped_fd.h"

namespace touchstone {

class ChildProcess {
 public:
  // What its standard input and output are. Standard error is a pipe.
  enum class Streams {
    kPipes,
    kTerminal,  // A pseudo-terminal in raw mode, which controls the child.
  };

  // Starts a program; arguments[0] is a path, or a name to look up in PATH.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(std::vector<std::string> arguments,
                                                             Streams streams);
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();

  [[nodiscard]] pid_t pid() const { return pid_; }

  // All that was collected so far.
  [[nodiscard]] const std::string& output() const { return output_; }
  [[nodiscard]] const std::string& errors() const { return errors_; }

  // True once standard output was read to its end.
  [[nodiscard]] bool output_ended() const { return !output_fd_.valid(); }

  // Collects what is there, or waits at most `wait` for something to come or for the child to end.
  void Pump(absl::Duration wait);

  // Writes to standard input, collecting meanwhile. An error if the child does not take it all
  // within `timeout`.
  absl::Status Write(absl::string_view text, absl::Duration timeout);

  // Ends its standard input. Not for a terminal.
  void CloseInput();

  void Signal(int signal);

  // Sets the size of its terminal, which tells the child. REQUIRES: it has one.
  absl::Status Resize(int columns, int rows);

  // The exit status as a shell says it (128 + signal for a killed child), if the child has ended.
  std::optional<int> Poll();

  // Waits for the child to end, collecting all of its output. DeadlineExceeded after `timeout`.
  absl::StatusOr<int> Wait(absl::Duration timeout);

 private:
  ChildProcess(pid_t pid, ScopedFd input, ScopedFd output, ScopedFd errors);

  pid_t pid_;
  ScopedFd input_fd_;
  ScopedFd output_fd_;
  ScopedFd error_fd_;
  std::string output_;
  std::string errors_;
  std::optional<int> status_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_INTEGRATION_TESTING_CHILD_PROCESS_H_
