#include "devices/platform/serial/output_queue.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "base/event/manual_loop.h"
#include "base/scoped_fd.h"
#include "devices/platform/serial/fd_sink.h"
#include "devices/platform/serial/nonblocking.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

absl::Span<const uint8_t> Bytes(absl::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// What a ScriptedSink was given, and what it does next.
struct Script {
  std::string text;
  int writes = 0;
  size_t room = SIZE_MAX;  // bytes it takes before it is not kOpen
  ByteSink::State when_full = ByteSink::State::kFull;
  int fd = -1;
  bool finished = false;
};

class ScriptedSink final : public ByteSink {
 public:
  explicit ScriptedSink(Script& script) : script_(script) {}
  Result Write(absl::Span<const uint8_t> bytes) override {
    ++script_.writes;
    const size_t count = std::min(bytes.size(), script_.room);
    script_.text.append(bytes.begin(), bytes.begin() + count);
    if (script_.room != SIZE_MAX) script_.room -= count;
    return {count, count == bytes.size() ? State::kOpen : script_.when_full};
  }
  int fd() const override { return script_.fd; }
  void Finish() override { script_.finished = true; }

 private:
  Script& script_;
};

class OutputQueueTest : public ::testing::Test {
 protected:
  OutputQueueTest() {
    int fds[2];
    EXPECT_EQ(pipe(fds), 0);
    reader_.Reset(fds[0]);
    writer_.Reset(fds[1]);  // always writable
    script_.fd = writer_.get();
    queue_ = std::make_unique<OutputQueue>(loop_, loop_.clock(),
                                           std::make_unique<ScriptedSink>(script_), "test");
    queue_->OnReady([this] { ++ready_calls_; });
  }

  ScopedFd reader_;
  ScopedFd writer_;
  ManualLoop loop_;
  Script script_;
  int ready_calls_ = 0;
  std::unique_ptr<OutputQueue> queue_;
};

TEST_F(OutputQueueTest, FirstByteLeavesAtOnceAndTheRestTogetherSoonAfter) {
  for (const char c : std::string("hello")) queue_->Write(Bytes(std::string(1, c)));
  loop_.RunReady();
  EXPECT_EQ(script_.text, "h");

  loop_.Advance(OutputQueue::kFlushDelay);

  EXPECT_EQ(script_.text, "hello");
  EXPECT_EQ(script_.writes, 2);
}

TEST_F(OutputQueueTest, AnEchoNowAndThenNeedsNoLoop) {
  for (const char c : std::string("echo")) {
    queue_->Write(Bytes(std::string(1, c)));
    loop_.clock().Advance(OutputQueue::kFlushDelay);
  }

  EXPECT_EQ(script_.text, "echo");
  EXPECT_EQ(loop_.RunReady(), 0);
}

TEST_F(OutputQueueTest, SteadyOutputIsGathered) {
  for (int i = 0; i < 1000; ++i) {
    queue_->Write(Bytes("x"));
    loop_.Advance(absl::Microseconds(10));
  }

  EXPECT_LE(script_.writes, 11);
}

TEST_F(OutputQueueTest, LargeOutputDoesNotWaitForTheLoop) {
  queue_->Write(Bytes(std::string(OutputQueue::kInlineSize, 'x')));
  EXPECT_EQ(script_.text.size(), OutputQueue::kInlineSize);
}

TEST_F(OutputQueueTest, PartialWritesKeepTheOrder) {
  std::string expected;
  for (int i = 0; i < 3000; ++i) expected.append(std::to_string(i));
  script_.room = 1000;
  queue_->Write(Bytes(expected));
  while (script_.text.size() < expected.size()) {
    script_.room = 777;
    loop_.Advance(OutputQueue::kFlushDelay);
  }
  EXPECT_EQ(script_.text, expected);
}

TEST_F(OutputQueueTest, StalledConsumerCongestsAndResumes) {
  script_.room = 0;
  size_t written = 0;
  while (queue_->Write(Bytes("0123456789abcdef"))) written += 16;
  EXPECT_FALSE(queue_->Ready());
  EXPECT_GE(written, OutputQueue::kCapacity - 2 * OutputQueue::kBurstRoom);
  EXPECT_EQ(queue_->dropped(), 0);
  EXPECT_EQ(ready_calls_, 0);

  script_.room = SIZE_MAX;
  loop_.Advance(OutputQueue::kFlushDelay);

  EXPECT_TRUE(queue_->Ready());
  EXPECT_EQ(ready_calls_, 1);
  EXPECT_EQ(script_.text.size(), written + 16);
}

TEST_F(OutputQueueTest, RoomIsWhatIsTakenWhole) {
  EXPECT_EQ(queue_->Room(), OutputQueue::kCapacity);
  script_.room = 0;
  queue_->Write(Bytes(std::string(OutputQueue::kCapacity - OutputQueue::kBurstRoom, 'x')));
  EXPECT_EQ(queue_->Room(), OutputQueue::kBurstRoom);
  queue_->Write(Bytes(std::string(OutputQueue::kBurstRoom, 'x')));

  EXPECT_EQ(queue_->Room(), 0u);
  EXPECT_FALSE(queue_->Ready());
  EXPECT_EQ(queue_->dropped(), 0u);
}

TEST_F(OutputQueueTest, SlowConsumerThatComesToAFullQueueCongestsIt) {
  script_.room = 0;
  script_.when_full = ByteSink::State::kAbsent;
  queue_->Write(Bytes(std::string(OutputQueue::kCapacity, 'x')));
  EXPECT_EQ(queue_->Room(), OutputQueue::kCapacity);

  script_.when_full = ByteSink::State::kFull;
  script_.fd = reader_.get();  // Never writable.
  loop_.Advance(OutputQueue::kRetryDelay);

  EXPECT_EQ(queue_->Room(), 0u);
}

TEST_F(OutputQueueTest, LittleRoomIsNotYetReady) {
  script_.room = 0;
  while (queue_->Write(Bytes("0123456789abcdef"))) continue;
  script_.room = OutputQueue::kBurstRoom;
  loop_.RunReady();
  EXPECT_FALSE(queue_->Ready());
}

TEST_F(OutputQueueTest, HeedlessWriterLosesWhatDoesNotFit) {
  script_.room = 0;
  for (int i = 0; i < 100; ++i) queue_->Write(Bytes(std::string(1000, 'x')));
  EXPECT_EQ(queue_->dropped(), size_t{100} * 1000 - OutputQueue::kCapacity);
}

TEST_F(OutputQueueTest, KeepsTheNewestWhileNobodyIsThere) {
  script_.room = 0;
  script_.when_full = ByteSink::State::kAbsent;
  queue_->Write(Bytes("first"));
  loop_.Advance(OutputQueue::kFlushDelay);
  const std::string newest(OutputQueue::kCapacity, 'n');
  for (size_t i = 0; i < newest.size(); i += 1024) {
    EXPECT_TRUE(queue_->Write(Bytes(newest.substr(i, 1024))));
  }

  script_.room = SIZE_MAX;
  loop_.Advance(OutputQueue::kRetryDelay);

  EXPECT_EQ(script_.text, newest);
  EXPECT_EQ(queue_->dropped(), 5);
}

TEST_F(OutputQueueTest, AbsentConsumerIsNotAskedForEachByte) {
  script_.room = 0;
  script_.when_full = ByteSink::State::kAbsent;
  for (int i = 0; i < 100; ++i) {
    queue_->Write(Bytes(std::string(100, 'x')));
    loop_.Advance(OutputQueue::kFlushDelay);
  }
  EXPECT_LE(script_.writes, 12);
}

TEST_F(OutputQueueTest, DropsEverythingOnceTheSinkIsGone) {
  script_.room = 0;
  script_.when_full = ByteSink::State::kGone;
  queue_->Write(Bytes("lost"));
  loop_.Advance(OutputQueue::kFlushDelay);

  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(queue_->Write(Bytes(std::string(1000, 'x'))));

  EXPECT_EQ(script_.writes, 1);
  EXPECT_EQ(queue_->dropped(), 4 + 1000 * 1000);
}

TEST_F(OutputQueueTest, DestructionWritesWhatIsPending) {
  queue_->Write(Bytes("last words"));
  queue_.reset();
  EXPECT_EQ(script_.text, "last words");
  EXPECT_TRUE(script_.finished);
}

// A pipe that nobody reads: bounded memory, and destruction that does not hang.
TEST(OutputQueuePipeTest, FullPipeStallsAndDrains) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  const ScopedFd reader(fds[0]);
  const ScopedFd writer(fds[1]);
  ASSERT_GE(fcntl(writer.get(), F_SETPIPE_SZ, 4096), 0);
  ManualLoop loop;
  absl::StatusOr<ScopedFd> fd = NonBlocking(writer, O_WRONLY);
  ASSERT_TRUE(fd.ok());
  OutputQueue queue(loop, loop.clock(), std::make_unique<FdSink>(*std::move(fd), "pipe"), "test");
  size_t written = 0;
  while (queue.Write(Bytes("0123456789abcdef"))) written += 16;
  written += 16;

  char buffer[4096];
  size_t read_back = 0;
  while (read_back < written) {
    const ssize_t count = read(reader.get(), buffer, sizeof(buffer));
    ASSERT_GT(count, 0);
    read_back += static_cast<size_t>(count);
    loop.Advance(OutputQueue::kFlushDelay);
  }

  EXPECT_EQ(read_back, written);
  EXPECT_TRUE(queue.Ready());
  // The pipe that others share is not made non-blocking.
  EXPECT_EQ(fcntl(writer.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST(OutputQueuePipeTest, DeadPipeIsGoneAndDoesNotKill) {
  IgnoreBrokenPipes();
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  ScopedFd reader(fds[0]);
  const ScopedFd writer(fds[1]);
  ManualLoop loop;
  absl::StatusOr<ScopedFd> fd = NonBlocking(writer, O_WRONLY);
  ASSERT_TRUE(fd.ok());
  OutputQueue queue(loop, loop.clock(), std::make_unique<FdSink>(*std::move(fd), "pipe"), "test");
  reader.Reset();

  queue.Write(Bytes("x"));
  loop.Advance(OutputQueue::kFlushDelay);

  EXPECT_EQ(queue.dropped(), 1);
  EXPECT_TRUE(queue.Ready());
}

}  // namespace
}  // namespace touchstone
