// The part of the KVM lab that runs a command inside: lab.init calls it once the host's files are
// mounted.
//
//   lab_agent REQUEST ROOT [ROWS COLUMNS]
//
// REQUEST is the folder that ci/lab wrote: `argv` and `env` (strings that end in NUL), `cwd` (a
// path), and, if standard error is the same stream as standard output, `one_stream`. The command
// has ROOT, where something is mounted, as its root in a session of its own. ROOT is mounted over
// our own root first: the kernel makes no user namespaces for those in a mere chroot. Its standard
// input, output and error are pipes, or, with ROWS and COLUMNS, one pseudo-terminal of that size.
// They are relayed over the virtio-serial ports 1, 2 and 3 of the first device, which ci/lab
// connects to its own; the host begins its input with one byte that is not part of it.
//
// Exits with the command's status as a shell would say it, once the host has taken all the output.
// Processes that the command leaves behind are not waited for.
//
// A static program without Abseil, because it is part of an initial RAM disk.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

constexpr const char* kInputPort = "/dev/vport0p1";
constexpr const char* kOutputPort = "/dev/vport0p2";
constexpr const char* kErrorPort = "/dev/vport0p3";
constexpr int kCannotExecute = 126;
constexpr int kNotFound = 127;

[[noreturn]] void Die(const char* what) {
  perror(what);
  exit(kCannotExecute);
}

int Checked(int result, const char* what) {
  if (result < 0) Die(what);
  return result;
}

void SetNonBlocking(int fd) {
  Checked(fcntl(fd, F_SETFL, Checked(fcntl(fd, F_GETFL), "F_GETFL") | O_NONBLOCK), "F_SETFL");
}

// Opens a port; it appears a moment after its driver is loaded.
int OpenPort(const char* path) {
  constexpr int kTries = 10000;
  for (int i = 0; i < kTries; ++i) {
    const int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) return fd;
    usleep(1000);
  }
  Die(path);
}

std::string ReadFile(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) Die(path.c_str());
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

// The strings of a file in which each ends in NUL.
std::vector<std::string> ReadStrings(const std::string& path) {
  std::vector<std::string> strings;
  const std::string content = ReadFile(path);
  for (size_t begin = 0; begin < content.size();) {
    strings.emplace_back(content.c_str() + begin);
    begin += strings.back().size() + 1;
  }
  return strings;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

// What the host asked for.
struct Request {
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  std::string working_directory;
  const char* root;
  bool one_stream = false;
  bool terminal = false;
  winsize size = {};
};

// Copies bytes from one descriptor to another without blocking.
class Relay {
 public:
  Relay(int from, int to) : from_(from), to_(to) {}

  // What to wait for: data if there is room, else room.
  pollfd Wanted() const {
    if (from_ < 0) return {-1, 0, 0};
    return size_ == 0 ? pollfd{from_, POLLIN, 0} : pollfd{to_, POLLOUT, 0};
  }

  // True when the source has nothing left for now and all that it gave is written.
  bool idle() const { return size_ == 0; }

  // Drops the first byte that the source gives; until then an end of file means that it is not
  // connected yet.
  void ExpectMarker() { marker_ = true; }

  // Closes the destination when the source ends.
  void CloseAtEnd() { close_at_end_ = true; }

  // Moves what can be moved. Returns false when nothing moved.
  bool Turn() {
    if (from_ < 0) return false;
    return size_ == 0 ? Fill() : Drain();
  }

 private:
  bool Fill() {
    const ssize_t got = read(from_, buffer_.data(), buffer_.size());
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (got <= 0 && marker_) {
      usleep(1000);
      return false;
    }
    if (got <= 0) {  // The end, or EIO of a pseudo-terminal that nobody holds any more.
      Stop();
      return false;
    }
    begin_ = marker_ ? 1 : 0;
    size_ = static_cast<size_t>(got) - begin_;
    marker_ = false;
    return true;
  }

  bool Drain() {
    const ssize_t put = write(to_, buffer_.data() + begin_, size_);
    if (put < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (put < 0) {  // Nobody reads any more.
      size_ = 0;
      Stop();
      return false;
    }
    begin_ += static_cast<size_t>(put);
    size_ -= static_cast<size_t>(put);
    return true;
  }

  void Stop() {
    from_ = -1;
    if (close_at_end_) close(to_);
  }

  int from_;
  int to_;
  bool marker_ = false;
  bool close_at_end_ = false;
  size_t begin_ = 0;
  size_t size_ = 0;
  std::array<char, 65536> buffer_;
};

// Becomes the command.
[[noreturn]] void Execute(Request& request, const std::array<int, 3>& descriptors) {
  setsid();
  if (request.terminal) ioctl(descriptors[0], TIOCSCTTY, 0);
  for (int i = 0; i < 3; ++i) dup2(descriptors[i], i);
  if (request.one_stream) dup2(STDOUT_FILENO, STDERR_FILENO);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  if (chdir(request.root) != 0 || mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 ||
      chroot(".") != 0 || chdir(request.working_directory.c_str()) != 0) {
    Die(request.working_directory.c_str());
  }
  std::vector<char*> environment = Pointers(request.environment);
  std::vector<char*> arguments = Pointers(request.arguments);
  environ = environment.data();
  execvp(arguments[0], arguments.data());
  const int error = errno;
  perror(arguments[0]);
  _exit(error == ENOENT ? kNotFound : kCannotExecute);
}

// Waits until the host has taken what was written: a port has room again only then.
void AwaitRoom(int port) {
  pollfd wait = {port, POLLOUT, 0};
  while (poll(&wait, 1, -1) >= 0 && (wait.revents & POLLOUT) == 0) usleep(1000);
}

// Relays until the command ends, then what is left of its output.
int RelayUntilExit(pid_t command, int signals, Relay& input, std::vector<Relay*> outputs) {
  int status = 0;
  for (bool running = true; running;) {
    std::vector<pollfd> wait = {{signals, POLLIN, 0}, input.Wanted()};
    wait.reserve(outputs.size() + 2);
    for (Relay* output : outputs) wait.push_back(output->Wanted());
    poll(wait.data(), wait.size(), -1);
    if (wait[1].revents != 0) input.Turn();
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (wait[i + 2].revents != 0) outputs[i]->Turn();
    }
    signalfd_siginfo info;
    if (wait[0].revents != 0 && read(signals, &info, sizeof(info)) > 0) {
      running = waitpid(command, &status, WNOHANG) != command;
    }
  }
  for (Relay* output : outputs) {
    while (output->Turn() || !output->idle()) {
      pollfd wait = output->Wanted();
      if (!output->idle()) poll(&wait, 1, -1);
    }
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int Run(Request& request) {
  const int input_port = OpenPort(kInputPort);
  const int output_port = OpenPort(kOutputPort);
  const int error_port = OpenPort(kErrorPort);

  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, nullptr);
  signal(SIGPIPE, SIG_IGN);
  const int signals = Checked(signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd");

  std::array<int, 3> inside;   // The command's ends.
  std::array<int, 3> outside;  // Ours.
  if (request.terminal) {
    const int terminal = Checked(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), "/dev/ptmx");
    if (grantpt(terminal) != 0 || unlockpt(terminal) != 0) Die("unlockpt");
    ioctl(terminal, TIOCSWINSZ, &request.size);
    const int slave = Checked(open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC), "ptsname");
    inside = {slave, slave, slave};
    outside = {terminal, terminal, -1};
  } else {
    for (int i = 0; i < 3; ++i) {
      std::array<int, 2> ends;
      Checked(pipe2(ends.data(), O_CLOEXEC), "pipe2");
      inside[i] = i == 0 ? ends[0] : ends[1];
      outside[i] = i == 0 ? ends[1] : ends[0];
    }
  }
  for (int fd : outside) {
    if (fd >= 0) SetNonBlocking(fd);
  }

  const pid_t command = Checked(fork(), "fork");
  if (command == 0) Execute(request, inside);
  for (int fd : inside) close(fd);

  Relay input(input_port, outside[0]);
  input.ExpectMarker();
  if (!request.terminal) input.CloseAtEnd();
  Relay output(outside[1], output_port);
  Relay error(outside[2], error_port);
  const int status = RelayUntilExit(command, signals, input, {&output, &error});
  AwaitRoom(output_port);
  AwaitRoom(error_port);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 5) {
    fprintf(stderr, "usage: lab_agent REQUEST ROOT [ROWS COLUMNS]\n");
    return kCannotExecute;
  }
  const std::string folder = argv[1];
  Request request;
  request.arguments = ReadStrings(folder + "/argv");
  request.environment = ReadStrings(folder + "/env");
  request.working_directory = ReadFile(folder + "/cwd");
  request.root = argv[2];
  request.one_stream = access((folder + "/one_stream").c_str(), F_OK) == 0;
  if (argc == 5) {
    request.terminal = true;
    request.size.ws_row = static_cast<uint16_t>(atoi(argv[3]));
    request.size.ws_col = static_cast<uint16_t>(atoi(argv[4]));
  }
  return Run(request);
}
