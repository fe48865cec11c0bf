#include "bench/peers/net_host.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "bench/peers/net_load.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

TEST(NetLoadServerTest, ServesOneConnectionAfterTheOther) {
  const auto server = NetLoadServer::Start("127.0.0.1", "127.0.0.2");
  ASSERT_TRUE(server.ok()) << server.status();
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(kNetLoadPort);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const NetRequest request = {.load = NetLoad::kTcpIn, .operations = 5};
  for (int i = 0; i < 2; ++i) {
    const ScopedFd tcp(socket(AF_INET, SOCK_STREAM, 0));
    ASSERT_EQ(connect(tcp.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    ASSERT_EQ(send(tcp.get(), &request, sizeof(request), 0), ssize_t{sizeof(request)});

    EXPECT_TRUE(RunGuestEnd(request, tcp.get(), -1));
  }
}

TEST(NetLoadServerTest, AnAddressThatIsNoneIsAnError) {
  EXPECT_EQ(NetLoadServer::Start("nowhere", "127.0.0.2").status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace touchstone
