// Clients of the control socket: whatever they send, each packet has one answer or ends the
// connection, and the next client is served.
//
// The input is a list of packets, each a byte of how it is handled and a byte of its length before
// it: bit 0, the handler answers later; bit 1, the client leaves; bit 2, the packet is stretched
// beyond what is accepted.

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/event/manual_loop.h"
#include "base/fd_socket.h"
#include "base/log.h"
#include "base/unix_socket.h"
#include "vmm/cli/control_command.h"
#include "vmm/control/control_message.h"
#include "vmm/control/control_server.h"
#include "vmm/control/control_socket.h"

namespace touchstone {
namespace {

constexpr size_t kMostPackets = 64;

class Host {
 public:
  Host() {
    CHECK(SetLogLevels("off").ok());
    std::string folder = "/tmp/control_fuzzer.XXXXXX";
    CHECK(mkdtemp(folder.data()) != nullptr);
    path_ = folder + "/socket";
    server_.emplace(*ListenForControl(path_), loop_,
                    [this](const ControlRequest& request, const ControlServer::Caller&,
                           ControlServer::Reply reply) {
                      const ControlResponse response =
                          ControlError(static_cast<int>(request.ByteSizeLong() % 200), "text");
                      if (!later_) return reply(response);
                      waiting_.push_back(std::move(reply));
                    });
    // The process ends without destructors; the file is not needed to connect again.
    static std::string left;
    left = folder;
    atexit([] {
      unlink((left + "/socket").c_str());
      rmdir(left.c_str());
    });
  }

  FdSocket Connect() {
    FdSocket client(ConnectUnix(path_, SOCK_SEQPACKET).value());
    loop_.RunReady();
    return client;
  }

  // How many answers come; all of them can be read and shown.
  int Exchange(const FdSocket& client, absl::string_view packet, bool later) {
    later_ = later;
    if (!client.Send({reinterpret_cast<const uint8_t*>(packet.data()), packet.size()}).ok()) {
      return 0;
    }
    loop_.RunReady();
    for (ControlServer::Reply& reply : std::exchange(waiting_, {})) reply(ControlDone());
    loop_.RunReady();
    int answers = 0;
    std::vector<uint8_t> bytes(kMaxControlResponse);
    for (;;) {
      const absl::StatusOr<size_t> size = client.Receive(absl::MakeSpan(bytes));
      if (!size.ok() || *size == 0) return answers;
      ControlResponse response;
      CHECK(response.ParseFromArray(bytes.data(), static_cast<int>(*size)));
      CHECK((response.error() == 0) == ControlOutput({}, response).empty() || response.has_text());
      ++answers;
    }
  }

  void Settle() {
    loop_.RunReady();
    CHECK(server_->clients() == 0);
  }

 private:
  ManualLoop loop_;
  std::string path_;
  std::optional<ControlServer> server_;
  std::vector<ControlServer::Reply> waiting_;
  bool later_ = false;
};

void RunProgram(Host& host, absl::string_view input) {
  std::optional<FdSocket> client = host.Connect();
  for (size_t i = 0; i < kMostPackets && input.size() >= 2; ++i) {
    const uint8_t how = static_cast<uint8_t>(input[0]);
    const size_t length = static_cast<uint8_t>(input[1]);
    std::string packet(input.substr(2, length));
    input.remove_prefix(std::min(input.size(), length + 2));
    if ((how & 4) != 0) packet.resize(packet.size() + kMaxControlRequest, 'x');
    // An empty packet ends the connection.
    CHECK(host.Exchange(*client, packet, (how & 1) != 0) == (packet.empty() ? 0 : 1));
    if ((how & 2) != 0 || packet.empty()) client = host.Connect();
  }
  client.reset();
  host.Settle();
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto& host = *new touchstone::Host;
  touchstone::RunProgram(host, {reinterpret_cast<const char*>(data), size});
  // What a machine that is not ours might answer.
  touchstone::ControlResponse response;
  if (response.ParseFromArray(data, static_cast<int>(size))) {
    touchstone::ControlOutput({}, response);
  }
  return 0;
}
