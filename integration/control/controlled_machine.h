// The program as a machine with a control socket, and as its client.
//
//   ControlledMachine machine("end_guest", "halt");
//   ASSERT_TRUE(machine.Await("ready\n"));
//   EXPECT_EQ(Control({"stop", machine.socket()}), (Said{0}));
//   EXPECT_EQ(machine.End(), 0);
//
// Thread-compatible.

#ifndef TOUCHSTONE_INTEGRATION_CONTROL_CONTROLLED_MACHINE_H_
#define TOUCHSTONE_INTEGRATION_CONTROL_CONTROLLED_MACHINE_H_

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "integration/testing/child_process.h"

namespace touchstone {

// Generous: what is waited for takes milliseconds.
inline constexpr absl::Duration kControlLimit = absl::Seconds(60);

// How a run of the program ended.
struct Said {
  int status = -1;
  std::string out = {};
  std::string err = {};

  friend bool operator==(const Said&, const Said&) = default;
  friend std::ostream& operator<<(std::ostream& stream, const Said& said);
};

// Runs the program with these arguments to its end.
Said Control(const std::vector<std::string>& arguments);

// A folder with a short path that goes with this.
class ShortFolder {
 public:
  ShortFolder();
  ~ShortFolder();
  ShortFolder(const ShortFolder&) = delete;
  ShortFolder& operator=(const ShortFolder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A bare-metal guest with a control socket.
class ControlledMachine {
 public:
  enum class Socket { kFile, kFolder };  // What --socket names.

  // `guest` is a file of integration/guests.
  ControlledMachine(const std::string& guest, const std::string& command_line,
                    const std::vector<std::string>& options = {}, Socket socket = Socket::kFile);

  [[nodiscard]] const std::string& socket() const { return socket_; }
  [[nodiscard]] ChildProcess& child() { return *child_; }
  // Whether `text` has come out of the console, in time.
  bool Await(const std::string& text);
  // Collects what comes out of the console in that time, and says how much.
  size_t BytesWithin(absl::Duration time);
  // The exit status, once it has ended.
  int End();

 private:
  const ShortFolder folder_;
  std::string socket_;
  std::unique_ptr<ChildProcess> child_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_INTEGRATION_CONTROL_CONTROLLED_MACHINE_H_
