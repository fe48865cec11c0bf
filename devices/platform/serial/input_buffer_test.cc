#include "devices/platform/serial/input_buffer.h"

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "base/event/manual_loop.h"
#include "base/scoped_fd.h"
#include "devices/platform/serial/fd_source.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

class InputBufferTest : public ::testing::Test {
 protected:
  InputBufferTest() {
    int fds[2];
    EXPECT_EQ(pipe2(fds, O_NONBLOCK), 0);
    host_.Reset(fds[1]);
    input_ = std::make_unique<InputBuffer>(loop_, std::make_unique<FdSource>(ScopedFd(fds[0])));
  }

  void Listen() {
    input_->OnBytes([this] { ++calls_; });
  }
  ssize_t Type(absl::string_view text) { return write(host_.get(), text.data(), text.size()); }
  std::string Read(size_t size) {
    std::string text(size, '\0');
    text.resize(input_->Read({reinterpret_cast<uint8_t*>(text.data()), size}));
    return text;
  }

  ScopedFd host_;
  ManualLoop loop_;
  std::unique_ptr<InputBuffer> input_;
  int calls_ = 0;
};

TEST_F(InputBufferTest, ReadsNothingBeforeItIsAskedTo) {
  Type("abc");
  loop_.RunReady();
  EXPECT_EQ(Read(16), "");

  Listen();
  loop_.RunReady();

  EXPECT_EQ(calls_, 1);
  EXPECT_EQ(Read(2), "ab");
  EXPECT_EQ(Read(16), "c");
}

TEST_F(InputBufferTest, FloodStaysInTheHostsPipe) {
  Listen();
  const std::string block(4096, 'f');
  size_t accepted = 0;
  // More than the pipe and the buffer hold: the host is held back in the end.
  for (int i = 0; i < 1000; ++i) {
    if (const ssize_t count = Type(block); count > 0) accepted += static_cast<size_t>(count);
    loop_.RunReady();
  }
  const int pipe_size = fcntl(host_.get(), F_GETPIPE_SZ);
  EXPECT_LE(accepted, static_cast<size_t>(pipe_size) + InputBuffer::kCapacity);
  // Nobody watches a pipe that stays readable.
  EXPECT_EQ(loop_.RunReady(), 0);

  size_t received = 0;
  for (std::string piece = "first"; !piece.empty(); piece = Read(1000)) {
    if (piece != "first") received += piece.size();
    loop_.RunReady();
  }

  EXPECT_EQ(received, accepted);
}

TEST_F(InputBufferTest, BytesTakenBackAreReadAgainFirst) {
  Listen();
  Type("0123456789");
  loop_.RunReady();
  ASSERT_EQ(Read(6), "012345");
  const std::string last = "2345";

  input_->Unread({reinterpret_cast<const uint8_t*>(last.data()), last.size()});

  EXPECT_EQ(Read(3), "234");
  EXPECT_EQ(Read(16), "56789");
}

TEST_F(InputBufferTest, TakesBackWhileFull) {
  Listen();
  std::string sent;
  for (int i = 0; i < 2000; ++i) sent += std::to_string(i) + ' ';
  ASSERT_EQ(Type(sent), static_cast<ssize_t>(sent.size()));
  loop_.RunReady();
  // Filled to the brim again, then beyond it.
  const std::string piece = Read(InputBuffer::kCapacity / 2);
  loop_.RunReady();
  ASSERT_GE(piece.size(), SerialInput::kMaxUnread);
  const size_t kept = piece.size() - SerialInput::kMaxUnread;
  input_->Unread({reinterpret_cast<const uint8_t*>(piece.data() + kept), SerialInput::kMaxUnread});
  loop_.RunReady();

  std::string received = piece.substr(0, kept);
  for (std::string more = "x"; !more.empty(); received += more) {
    loop_.RunReady();
    more = Read(1000);
  }

  EXPECT_EQ(received, sent);
}

TEST_F(InputBufferTest, EndOfInputEndsTheWatch) {
  Listen();
  Type("bye");
  host_.Reset();
  loop_.RunReady();
  EXPECT_EQ(Read(16), "bye");

  EXPECT_EQ(loop_.RunReady(), 0);
  EXPECT_EQ(Read(16), "");
  EXPECT_EQ(loop_.RunReady(), 0);
}

TEST_F(InputBufferTest, NobodyListensAnyMore) {
  Listen();
  input_->OnBytes(nullptr);
  Type("abc");
  EXPECT_EQ(loop_.RunReady(), 0);
  EXPECT_EQ(calls_, 0);
}

// Files and /dev/null are always readable.
TEST(InputBufferFileTest, DevNullIsTheEnd) {
  ManualLoop loop;
  absl::StatusOr<ScopedFd> fd = OpenFile("/dev/null", O_RDONLY);
  ASSERT_TRUE(fd.ok());
  InputBuffer input(loop, std::make_unique<FdSource>(*std::move(fd)));
  input.OnBytes([] {});
  loop.RunReady();
  EXPECT_EQ(loop.RunReady(), 0);
}

// A source that comes and goes.
class FickleSource final : public ByteSource {
 public:
  FickleSource(const bool& present, int fd) : present_(present), fd_(fd) {}
  State Open() override { return present_ ? State::kOpen : State::kAbsent; }
  Result Read(absl::Span<uint8_t> bytes) override {
    if (!present_) return {0, State::kAbsent};
    const ssize_t count = read(fd_, bytes.data(), bytes.size());
    return {count > 0 ? static_cast<size_t>(count) : 0, State::kOpen};
  }
  int fd() const override { return fd_; }

 private:
  const bool& present_;
  const int fd_;
};

TEST(InputBufferFickleTest, AbsentSourceIsTriedAgain) {
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_NONBLOCK), 0);
  const ScopedFd reader(fds[0]);
  const ScopedFd writer(fds[1]);
  bool present = false;
  ManualLoop loop;
  InputBuffer input(loop, std::make_unique<FickleSource>(present, reader.get()));
  input.OnBytes([] {});
  ASSERT_EQ(write(writer.get(), "a", 1), 1);
  loop.RunReady();
  uint8_t byte = 0;
  EXPECT_EQ(input.Read(absl::MakeSpan(&byte, 1)), 0);

  present = true;
  loop.Advance(InputBuffer::kRetryDelay);
  EXPECT_EQ(input.Read(absl::MakeSpan(&byte, 1)), 1);

  present = false;
  ASSERT_EQ(write(writer.get(), "b", 1), 1);
  loop.RunReady();
  EXPECT_EQ(loop.RunReady(), 0);
  present = true;
  loop.Advance(InputBuffer::kRetryDelay);
  EXPECT_EQ(input.Read(absl::MakeSpan(&byte, 1)), 1);
  EXPECT_EQ(byte, 'b');
}

}  // namespace
}  // namespace touchstone
