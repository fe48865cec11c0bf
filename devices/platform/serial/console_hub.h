// Lets others take part in a serial port while its machine runs (`touchstone console`): what the
// guest writes goes to them too, and what they type to the guest, beside the port's own output and
// input.
//
//   ConsoleHub hub(loop, clock, *backend.output, *backend.input, "COM1");
//   Serial uart(hub.output(), hub.input(), irq);
//   RETURN_IF_ERROR(hub.Attach(std::move(socket)));
//
// Nobody of them can hold up the guest: one that does not read loses output (OutputQueue), and one
// that types more than the guest takes waits. Without them a write costs one look at an atomic.
//
// Ownership: all arguments are borrowed. Threads: thread-safe, but for Attach and the end, which
// are for the loop's thread or while the loop does not run.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_SERIAL_CONSOLE_HUB_H_
#define TOUCHSTONE_DEVICES_PLATFORM_SERIAL_CONSOLE_HUB_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "base/event/event_loop.h"
#include "base/mutex.h"
#include "base/scoped_fd.h"
#include "devices/platform/serial/output_queue.h"
#include "devices/platform/serial/serial_input.h"
#include "devices/platform/serial/serial_output.h"

namespace touchstone {

class ConsoleHub {
 public:
  static constexpr size_t kMaxClients = 4;
  // Bytes that were typed and that the guest has not taken.
  static constexpr size_t kCapacity = 4096;

  // `name` is for messages.
  ConsoleHub(EventLoop& loop, Clock& clock, SerialOutput& output, SerialInput& input,
             std::string name);
  // Writes to clients what they still take, and hangs up.
  ~ConsoleHub();
  ConsoleHub(const ConsoleHub&) = delete;
  ConsoleHub& operator=(const ConsoleHub&) = delete;

  // What the device writes to and reads from.
  [[nodiscard]] SerialOutput& output() { return output_; }
  [[nodiscard]] SerialInput& input() { return input_; }

  // A client, until it hangs up. InvalidArgument for what is no stream socket of this host,
  // ResourceExhausted when there are kMaxClients.
  absl::Status Attach(ScopedFd socket);
  [[nodiscard]] size_t clients() const;

 private:
  class Output final : public SerialOutput {
   public:
    Output(ConsoleHub& hub, SerialOutput& own) : hub_(hub), own_(own) {}
    bool Write(absl::Span<const uint8_t> bytes) override;
    bool Ready() override { return own_.Ready(); }
    size_t Room() override { return own_.Room(); }
    void OnReady(EventLoop::Callback callback) override { own_.OnReady(std::move(callback)); }
    void Flush() override { own_.Flush(); }

   private:
    ConsoleHub& hub_;
    SerialOutput& own_;
  };

  class Input final : public SerialInput {
   public:
    Input(ConsoleHub& hub, SerialInput& own) : hub_(hub), own_(own) {}
    void OnBytes(EventLoop::Callback callback) override;
    size_t Read(absl::Span<uint8_t> bytes) override;
    void Unread(absl::Span<const uint8_t> bytes) override;

   private:
    ConsoleHub& hub_;
    SerialInput& own_;
  };

  struct Client {
    int fd = -1;  // The queue's.
    std::unique_ptr<OutputQueue> queue;
    Watch readable;  // While there is room for what is typed.
  };

  void Tell(absl::Span<const uint8_t> bytes);
  void Listen(uint64_t id, Client& client) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // --- On the loop's thread.
  void Typed(uint64_t id);
  void Remove(uint64_t id);

  EventLoop& loop_;
  Clock& clock_;
  const std::string name_;
  Output output_;
  Input input_;
  std::atomic<bool> attached_{false};  // Whether there are clients.

  mutable Mutex mutex_;
  // Their watches are reset on the loop's thread only, and so never wait for a callback that waits
  // for mutex_.
  std::map<uint64_t, Client> clients_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<uint8_t> unread_ ABSL_GUARDED_BY(mutex_);  // Comes first.
  std::deque<uint8_t> typed_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<EventLoop::Callback> on_bytes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_SERIAL_CONSOLE_HUB_H_
