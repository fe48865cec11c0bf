#include "devices/platform/serial/serial_backend.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/event/manual_loop.h"
#include "base/scoped_fd.h"
#include "devices/platform/serial/output_queue.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

absl::Span<const uint8_t> Bytes(absl::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string ReadFile(const std::string& path) {
  absl::StatusOr<ScopedFd> fd = OpenFile(path, O_RDONLY);
  std::string text(100000, '\0');
  const ssize_t count = fd.ok() ? read(fd->get(), text.data(), text.size()) : 0;
  text.resize(count > 0 ? static_cast<size_t>(count) : 0);
  return text;
}

// What one read or datagram brings now; "(nothing)" when there is none.
std::string Receive(const ScopedFd& fd) {
  char text[4096];
  const ssize_t count = recv(fd.get(), text, sizeof(text), MSG_DONTWAIT);
  return count < 0 ? "(nothing)" : std::string(text, static_cast<size_t>(count));
}

class SerialBackendTest : public ::testing::Test {
 protected:
  SerialBackendTest() {
    char name[] = "/tmp/serial_backend_XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~SerialBackendTest() override {
    [[maybe_unused]] const int ignored = system(absl::StrCat("rm -rf ", folder_).c_str());
  }

  std::string Path(absl::string_view name) const { return absl::StrCat(folder_, "/", name); }

  // The system log is the socket "log".
  absl::StatusOr<SerialBackend> Open() {
    return OpenSerialBackend(config_, loop_, loop_.clock(), Path("log"));
  }

  // A socket that `path` names.
  static ScopedFd Bind(const std::string& path, int type) {
    ScopedFd fd(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    if (type == SOCK_STREAM) EXPECT_EQ(listen(fd.get(), 4), 0);
    return fd;
  }

  void Write(SerialBackend& backend, absl::string_view text) {
    backend.output->Write(Bytes(text));
    loop_.Advance(absl::Milliseconds(100));
  }
  static std::string Read(SerialBackend& backend) {
    uint8_t bytes[256];
    const size_t count = backend.input->Read(absl::MakeSpan(bytes));
    return std::string(bytes, bytes + count);
  }

  std::string folder_;
  ManualLoop loop_;
  SerialConfig config_;
};

TEST_F(SerialBackendTest, SinkTakesEverythingAndGivesNothing) {
  absl::StatusOr<SerialBackend> backend = Open();
  ASSERT_TRUE(backend.ok());
  EXPECT_TRUE(backend->output->Write(Bytes("abc")));
  EXPECT_EQ(Read(*backend), "");
}

TEST_F(SerialBackendTest, FileIsAppendedTo) {
  config_.set_type(SerialConfig::FILE);
  config_.set_path(Path("log"));
  for (const char* text : {"one\n", "two\n"}) {
    absl::StatusOr<SerialBackend> backend = Open();
    ASSERT_TRUE(backend.ok()) << backend.status();
    Write(*backend, text);
  }
  EXPECT_EQ(ReadFile(Path("log")), "one\ntwo\n");
}

TEST_F(SerialBackendTest, InputFileIsReadToItsEnd) {
  config_.set_type(SerialConfig::FILE);
  config_.set_path(Path("in"));
  {
    absl::StatusOr<SerialBackend> backend = Open();
    ASSERT_TRUE(backend.ok());
    Write(*backend, "script");
  }
  config_.set_type(SerialConfig::SINK);
  config_.set_input(Path("in"));
  absl::StatusOr<SerialBackend> backend = Open();
  ASSERT_TRUE(backend.ok()) << backend.status();
  int calls = 0;
  backend->input->OnBytes([&calls] { ++calls; });
  loop_.RunReady();

  EXPECT_EQ(calls, 1);
  EXPECT_EQ(Read(*backend), "script");
  EXPECT_EQ(loop_.RunReady(), 0);
}

TEST_F(SerialBackendTest, TimestampsBeginLines) {
  config_.set_type(SerialConfig::FILE);
  config_.set_path(Path("log"));
  config_.set_out_timestamp(true);
  {
    absl::StatusOr<SerialBackend> backend = Open();
    ASSERT_TRUE(backend.ok());
    Write(*backend, "on");
    loop_.clock().Advance(absl::Nanoseconds(42));
    Write(*backend, "e\n\ntwo\n");
  }
  EXPECT_EQ(ReadFile(Path("log")),
            "[ 2000-01-01 00:00:00.000000000 ]: one\n"
            "[ 2000-01-01 00:00:00.100000042 ]: \n"
            "[ 2000-01-01 00:00:00.100000042 ]: two\n");
}

TEST_F(SerialBackendTest, DatagramForEachLine) {
  const ScopedFd peer = Bind(Path("sock"), SOCK_DGRAM);
  config_.set_type(SerialConfig::UNIX);
  config_.set_path(Path("sock"));
  absl::StatusOr<SerialBackend> backend = Open();
  ASSERT_TRUE(backend.ok());

  Write(*backend, "one\r\ntwo\n\nunfin");

  EXPECT_EQ(Receive(peer), "one");
  EXPECT_EQ(Receive(peer), "two");
  EXPECT_EQ(Receive(peer), "");
  EXPECT_EQ(Receive(peer), "(nothing)");
  Write(*backend, "ished\n");
  EXPECT_EQ(Receive(peer), "unfinished");
}

TEST_F(SerialBackendTest, LongLineGoesInPiecesAndTheLastOneAtTheEnd) {
  const ScopedFd peer = Bind(Path("sock"), SOCK_DGRAM);
  config_.set_type(SerialConfig::UNIX);
  config_.set_path(Path("sock"));
  {
    absl::StatusOr<SerialBackend> backend = Open();
    ASSERT_TRUE(backend.ok());
    Write(*backend, std::string(1500, 'x'));
    EXPECT_EQ(Receive(peer), std::string(1024, 'x'));
    EXPECT_EQ(Receive(peer), "(nothing)");
  }
  EXPECT_EQ(Receive(peer), std::string(476, 'x'));
}

TEST_F(SerialBackendTest, DatagramSocketMayComeLateAndComeBack) {
  config_.set_type(SerialConfig::UNIX);
  config_.set_path(Path("sock"));
  absl::StatusOr<SerialBackend> backend = Open();
  ASSERT_TRUE(backend.ok());
  Write(*backend, "early\n");

  ScopedFd peer = Bind(Path("sock"), SOCK_DGRAM);
  loop_.Advance(OutputQueue::kRetryDelay);
  EXPECT_EQ(Receive(peer), "early");

  peer.Reset();
  unlink(Path("sock").c_str());
  Write(*backend, "meanwhile\n");
  peer = Bind(Path("sock"), SOCK_DGRAM);
  loop_.Advance(OutputQueue::kRetryDelay);
  EXPECT_EQ(Receive(peer), "meanwhile");
}

TEST_F(SerialBackendTest, SlowDatagramPeerLosesNothing) {
  const ScopedFd peer = Bind(Path("sock"), SOCK_DGRAM);
  config_.set_type(SerialConfig::UNIX);
  config_.set_path(Path("sock"));
  absl::StatusOr<SerialBackend> backend = Open();
  ASSERT_TRUE(backend.ok());
  constexpr int kLines = 500;  // more than a socket queues
  for (int i = 0; i < kLines; ++i) Write(*backend, absl::StrCat("line ", i, "\n"));

  for (int i = 0; i < kLines; ++i) {
    EXPECT_EQ(Receive(peer), absl::StrCat("line ", i));
    loop_.Advance(absl::Milliseconds(1));
  }
}

TEST_F(SerialBackendTest, SystemLogGetsAMessageForEachLine) {
  const ScopedFd daemon = Bind(Path("log"), SOCK_DGRAM);
  config_.set_type(SerialConfig::SYSLOG);
  config_.set_num(3);
  absl::StatusOr<SerialBackend> backend = Open();
  ASSERT_TRUE(backend.ok());

  Write(*backend, "Linux version 6\r\n\x1b[1mvcpu: stuck\nunfin");

  EXPECT_THAT(Receive(daemon),
              MatchesRegex("<14>[A-Z][a-z][a-z] [ 0-9]+ [0-9:]+ touchstone.[0-9]+.: "
                           "port 3: Linux version 6"));
  EXPECT_THAT(Receive(daemon), EndsWith("]: port 3: ?[1mvcpu: stuck"));
  EXPECT_EQ(Receive(daemon), "(nothing)");
  Write(*backend, "ished\n");
  EXPECT_THAT(Receive(daemon), EndsWith("]: port 3: unfinished"));
}

TEST_F(SerialBackendTest, MessageOfTheSystemLogHasNoMoreThan1024Bytes) {
  const ScopedFd daemon = Bind(Path("log"), SOCK_DGRAM);
  config_.set_type(SerialConfig::SYSLOG);
  config_.set_name("guest");
  const std::string text(3000, 'x');
  {
    absl::StatusOr<SerialBackend> backend = Open();
    ASSERT_TRUE(backend.ok());
    Write(*backend, text);
  }

  std::string together;
  for (std::string message = Receive(daemon); message != "(nothing)"; message = Receive(daemon)) {
    EXPECT_LE(message.size(), 1024u);
    const size_t header = message.find("]: guest: ");
    ASSERT_NE(header, std::string::npos) << message;
    together += message.substr(header + strlen("]: guest: "));
  }
  EXPECT_EQ(together, text);
}

TEST_F(SerialBackendTest, LongNameLeavesRoomForTheLine) {
  const ScopedFd daemon = Bind(Path("log"), SOCK_DGRAM);
  config_.set_type(SerialConfig::SYSLOG);
  config_.set_name(std::string(2000, 'n'));
  absl::StatusOr<SerialBackend> backend = Open();
  ASSERT_TRUE(backend.ok());

  Write(*backend, "text\n");

  EXPECT_THAT(Receive(daemon), EndsWith("n: text"));
}

TEST_F(SerialBackendTest, OutputWaitsForTheSystemLog) {
  config_.set_type(SerialConfig::SYSLOG);
  testing::internal::CaptureStderr();
  absl::StatusOr<SerialBackend> backend = Open();
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr(absl::StrCat("port 1: there is no system log at ", Path("log"), " yet")));
  ASSERT_TRUE(backend.ok());
  Write(*backend, "early\n");

  const ScopedFd daemon = Bind(Path("log"), SOCK_DGRAM);
  loop_.Advance(OutputQueue::kRetryDelay);

  EXPECT_THAT(Receive(daemon), EndsWith("]: port 1: early"));
}

TEST_F(SerialBackendTest, PathBeyondSocketAddressIsReached) {
  const std::string name = std::string(90, 'd');
  const std::string folder = Path(std::string(100, 'f'));
  ASSERT_EQ(system(absl::StrCat("mkdir ", folder).c_str()), 0);
  ASSERT_EQ(chdir(folder.c_str()), 0);
  const ScopedFd peer = Bind(name, SOCK_DGRAM);
  ASSERT_EQ(chdir("/"), 0);
  config_.set_type(SerialConfig::UNIX);
  config_.set_path(absl::StrCat(folder, "/", name));
  absl::StatusOr<SerialBackend> backend = Open();
  ASSERT_TRUE(backend.ok());

  Write(*backend, "far\n");

  EXPECT_EQ(Receive(peer), "far");
}

TEST_F(SerialBackendTest, StreamCarriesBothWaysAndReconnects) {
  const ScopedFd listener = Bind(Path("sock"), SOCK_STREAM);
  config_.set_type(SerialConfig::UNIX_STREAM);
  config_.set_path(Path("sock"));
  config_.set_input_unix_stream(true);
  absl::StatusOr<SerialBackend> backend = Open();
  ASSERT_TRUE(backend.ok());
  backend->input->OnBytes([] {});
  ScopedFd peer(accept(listener.get(), nullptr, nullptr));
  Write(*backend, "login: ");
  EXPECT_EQ(Receive(peer), "login: ");
  ASSERT_EQ(send(peer.get(), "root\r", 5, 0), 5);
  loop_.RunReady();
  EXPECT_EQ(Read(*backend), "root\r");

  peer.Reset();
  loop_.Advance(absl::Milliseconds(100));
  peer.Reset(accept(listener.get(), nullptr, nullptr));
  Write(*backend, "again");
  ASSERT_EQ(send(peer.get(), "back", 4, 0), 4);
  loop_.RunReady();

  EXPECT_EQ(Receive(peer), "again");
  EXPECT_EQ(Read(*backend), "back");
}

// Output notices the end when nobody listens for input.
TEST_F(SerialBackendTest, StreamReconnectsForOutputAlone) {
  const ScopedFd listener = Bind(Path("sock"), SOCK_STREAM);
  config_.set_type(SerialConfig::UNIX_STREAM);
  config_.set_path(Path("sock"));
  absl::StatusOr<SerialBackend> backend = Open();
  ASSERT_TRUE(backend.ok());
  close(accept(listener.get(), nullptr, nullptr));

  Write(*backend, "to the next one");

  const ScopedFd peer(accept(listener.get(), nullptr, nullptr));
  EXPECT_EQ(Receive(peer), "to the next one");
}

TEST_F(SerialBackendTest, StreamThatNobodyServesYetIsNoError) {
  config_.set_type(SerialConfig::UNIX_STREAM);
  config_.set_path(Path("sock"));
  config_.set_input_unix_stream(true);
  absl::StatusOr<SerialBackend> backend = Open();
  ASSERT_TRUE(backend.ok());
  backend->input->OnBytes([] {});
  Write(*backend, "kept");

  const ScopedFd listener = Bind(Path("sock"), SOCK_STREAM);
  loop_.Advance(absl::Milliseconds(100));

  const ScopedFd peer(accept(listener.get(), nullptr, nullptr));
  EXPECT_EQ(Receive(peer), "kept");
}

// Another file in the place of a standard descriptor, until destroyed.
class Redirected {
 public:
  Redirected(int standard, int fd) : standard_(standard), saved_(dup(standard)) {
    EXPECT_EQ(dup2(fd, standard), standard);
  }
  ~Redirected() { EXPECT_EQ(dup2(saved_.get(), standard_), standard_); }

 private:
  const int standard_;
  const ScopedFd saved_;
};

TEST_F(SerialBackendTest, StandardOutputIsWrittenAndNotMadeNonBlocking) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  const ScopedFd reader(fds[0]);
  const ScopedFd writer(fds[1]);
  config_.set_type(SerialConfig::STDOUT);
  {
    const Redirected redirected(STDOUT_FILENO, writer.get());
    absl::StatusOr<SerialBackend> backend = Open();
    ASSERT_TRUE(backend.ok());
    Write(*backend, "hello");
  }
  char text[16];
  EXPECT_EQ(read(reader.get(), text, sizeof(text)), 5);
  EXPECT_EQ(fcntl(writer.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(SerialBackendTest, TerminalInputIsRawAndCtrlCIsTheGuests) {
  const ScopedFd keyboard(posix_openpt(O_RDWR | O_NOCTTY));
  ASSERT_TRUE(keyboard.valid());
  ASSERT_EQ(grantpt(keyboard.get()), 0);
  ASSERT_EQ(unlockpt(keyboard.get()), 0);
  const absl::StatusOr<ScopedFd> terminal = OpenFile(ptsname(keyboard.get()), O_RDWR | O_NOCTTY);
  ASSERT_TRUE(terminal.ok());
  const Redirected redirected(STDIN_FILENO, terminal->get());
  config_.set_stdin(true);
  absl::StatusOr<SerialBackend> backend = Open();
  ASSERT_TRUE(backend.ok());
  backend->input->OnBytes([] {});

  ASSERT_EQ(write(keyboard.get(), "ls\r\x03", 4), 4);
  loop_.RunReady();

  EXPECT_TRUE(backend->terminal->active());
  EXPECT_EQ(Read(*backend), "ls\r\x03");
}

TEST_F(SerialBackendTest, ErrorsNameTheCause) {
  const auto error = [this](SerialConfig config) {
    config_ = config;
    return std::string(Open().status().message());
  };
  SerialConfig config;
  config.set_type(SerialConfig::FILE);
  EXPECT_THAT(error(config), HasSubstr("path="));
  config.set_path("/nowhere/at/all");
  EXPECT_THAT(error(config), HasSubstr("/nowhere/at/all"));
  config.Clear();
  config.set_input("/nowhere/input");
  EXPECT_THAT(error(config), HasSubstr("/nowhere/input"));
  config.set_stdin(true);
  EXPECT_THAT(error(config), HasSubstr("exclude each other"));
  config.Clear();
  config.set_input_unix_stream(true);
  EXPECT_THAT(error(config), HasSubstr("unix-stream"));
}

}  // namespace
}  // namespace touchstone
