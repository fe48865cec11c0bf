// One debugger's session: the GDB remote serial protocol (GDB manual, appendix E) in all-stop mode.
// vCPU n is thread n + 1.
//
//   GdbSession session(target, [&](absl::string_view bytes) { socket.Write(bytes); });
//   session.Feed(bytes);                      // as they come
//
// The machine stands still when the session begins. When it ends the breakpoints are gone, and the
// machine runs.
//
// Ownership: the target is borrowed. Threads: thread-compatible; the target calls back on the same
// thread.

#ifndef TOUCHSTONE_VMM_GDB_SESSION_H_
#define TOUCHSTONE_VMM_GDB_SESSION_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "vmm/gdb/breakpoints.h"
#include "vmm/gdb/packet.h"
#include "vmm/gdb/target.h"

namespace touchstone {

class GdbSession {
 public:
  using Send = std::function<void(absl::string_view bytes)>;

  GdbSession(GdbTarget& target, Send send);
  ~GdbSession();

  void Feed(absl::string_view bytes);
  // The machine ended: says so with an exit status (GDB manual, E.3, W).
  void Ended(uint8_t status);

  // The debugger said that it goes, or killed the machine: nothing more will come.
  [[nodiscard]] bool finished() const { return finished_; }

 private:
  void Take(const GdbInput& input);
  // What to answer; an empty string says that the packet is not known. Nullopt: the answer comes
  // later, or none does.
  std::optional<std::string> Answer(absl::string_view packet);
  std::optional<std::string> AnswerLong(absl::string_view packet);
  std::string AnswerQuery(absl::string_view packet) const;

  std::string ReadRegisters();
  std::string WriteRegisters(absl::string_view hex);
  std::string ReadRegister(absl::string_view number);
  std::string WriteRegister(absl::string_view assignment);
  std::string ReadMemory(absl::string_view range);
  std::string WriteMemory(absl::string_view range, absl::string_view bytes);
  std::string SelectThread(absl::string_view argument);
  std::string ChangeBreakpoint(absl::string_view packet);
  std::optional<std::string> Continue(absl::string_view actions);
  std::string Features(absl::string_view range) const;

  std::optional<std::string> Run(GdbRun run);
  void Stopped(const GdbStop& stop);
  [[nodiscard]] std::string StopReply() const;
  void Finish();
  void Reply(absl::string_view payload);

  GdbTarget& target_;
  const Send send_;
  GdbPacketReader reader_;
  GdbBreakpoints breakpoints_;
  GdbStop last_stop_ = {.reason = GdbStop::Reason::kStep};
  uint32_t vcpu_ = 0;  // That registers and memory are read of.
  bool running_ = false;
  bool finished_ = false;
  bool acknowledges_ = true;
  std::string last_packet_;  // To be sent again when it is asked for.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_GDB_SESSION_H_
