// A program in the foreground of a terminal, as a user has it.
//
//   TerminalRun run({Runfile("vmm/touchstone"), "run", ...}, folder);
//   ASSERT_TRUE(run.Await("login: "));
//   run.Type("root\r");
//   EXPECT_EQ(run.Wait(SIGTERM), 0);
//
// Thread-compatible.

#ifndef TOUCHSTONE_INTEGRATION_TESTING_TERMINAL_RUN_H_
#define TOUCHSTONE_INTEGRATION_TESTING_TERMINAL_RUN_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/scoped_fd.h"

namespace touchstone {

// All of a terminal's settings, to be compared.
std::string ModeOf(int terminal);

class TerminalRun {
 public:
  // In a session of its own, with `folder` as its working directory.
  TerminalRun(const std::vector<std::string>& command, const std::string& folder);
  // Kills what still runs.
  ~TerminalRun();
  TerminalRun(const TerminalRun&) = delete;
  TerminalRun& operator=(const TerminalRun&) = delete;

  // Reads until `text` has come.
  bool Await(const std::string& text);
  void Type(const std::string& text);
  [[nodiscard]] bool Runs() const;
  // Sends a signal, if any, and waits for the end; the status is as a shell says it.
  int Wait(int signal);
  // Whether a process of the session lives on. After Wait. A run that a signal killed outright did
  // not wait for its children, which the kernel kills after it: they may take a moment.
  [[nodiscard]] bool LeftProcesses() const;

  // The program's end, which outlives it here.
  [[nodiscard]] int terminal() const { return theirs_.get(); }
  [[nodiscard]] const std::string& mode_before() const { return mode_before_; }
  [[nodiscard]] const std::string& output() const { return output_; }

 private:
  [[nodiscard]] id_t Id() const { return static_cast<id_t>(pid_); }
  [[nodiscard]] bool Ended() const;

  ScopedFd ours_;
  ScopedFd theirs_;
  std::string mode_before_;
  std::string output_;
  pid_t pid_ = -1;
  pid_t group_ = -1;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_INTEGRATION_TESTING_TERMINAL_RUN_H_
