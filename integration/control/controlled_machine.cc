#include "integration/control/controlled_machine.h"

#include <stdlib.h>

#include <filesystem>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "integration/testing/runfiles.h"

namespace touchstone {

std::ostream& operator<<(std::ostream& stream, const Said& said) {
  return stream << "status " << said.status << ", out: " << said.out << ", err: " << said.err;
}

Said Control(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {Runfile("vmm/touchstone")};
  command.insert(command.end(), arguments.begin(), arguments.end());
  auto child = ChildProcess::Start(std::move(command), ChildProcess::Streams::kPipes);
  if (!child.ok()) return {.err = std::string(child.status().message())};
  const absl::StatusOr<int> status = (*child)->Wait(kControlLimit);
  return {status.value_or(-1), (*child)->output(), (*child)->errors()};
}

ShortFolder::ShortFolder() : path_("/tmp/control.XXXXXX") {
  EXPECT_NE(mkdtemp(path_.data()), nullptr);
}

ShortFolder::~ShortFolder() { std::filesystem::remove_all(path_); }

ControlledMachine::ControlledMachine(const std::string& guest, const std::string& command_line,
                                     const std::vector<std::string>& options, Socket socket)
    : socket_(folder_.path() + "/socket") {
  std::vector<std::string> command = {Runfile("vmm/touchstone"),
                                      "run",
                                      "--mem=64",
                                      "--params",
                                      command_line,
                                      "--socket",
                                      socket == Socket::kFile ? socket_ : folder_.path()};
  command.insert(command.end(), options.begin(), options.end());
  command.push_back(Runfile(absl::StrCat("integration/guests/", guest)));
  auto child = ChildProcess::Start(std::move(command), ChildProcess::Streams::kPipes);
  EXPECT_TRUE(child.ok()) << child.status();
  child_ = *std::move(child);
  if (socket == Socket::kFolder) {
    socket_ = absl::StrCat(folder_.path(), "/touchstone-", child_->pid(), ".sock");
  }
}

bool ControlledMachine::Await(const std::string& text) {
  const absl::Time deadline = absl::Now() + kControlLimit;
  while (child_->output().find(text) == std::string::npos && !child_->output_ended() &&
         absl::Now() < deadline) {
    child_->Pump(absl::Milliseconds(100));
  }
  return child_->output().find(text) != std::string::npos;
}

size_t ControlledMachine::BytesWithin(absl::Duration time) {
  const size_t before = child_->output().size();
  const absl::Time deadline = absl::Now() + time;
  while (absl::Now() < deadline && !child_->output_ended()) {
    child_->Pump(deadline - absl::Now());
  }
  return child_->output().size() - before;
}

int ControlledMachine::End() { return child_->Wait(kControlLimit).value_or(-1); }

}  // namespace touchstone
