#include "devices/virtio/vsock/connect_line.h"

#include <string>

#include "gtest/gtest.h"

namespace touchstone {
namespace {

using State = ConnectLine::State;

TEST(ConnectLineTest, NamesThePort) {
  ConnectLine line;
  size_t taken = 0;

  EXPECT_EQ(line.Take("CONNECT 1234\n", taken), State::kPort);

  EXPECT_EQ(line.port(), 1234u);
  EXPECT_EQ(taken, 13u);
}

TEST(ConnectLineTest, LeavesWhatFollows) {
  ConnectLine line;
  size_t taken = 0;

  EXPECT_EQ(line.Take("CONNECT 1\nGET /", taken), State::kPort);

  EXPECT_EQ(taken, 10u);
}

TEST(ConnectLineTest, MayComeInPieces) {
  ConnectLine line;
  size_t taken = 0;
  for (const char byte : std::string("CONNECT 4294967295\r")) {
    EXPECT_EQ(line.Take({&byte, 1}, taken), State::kMore);
  }

  EXPECT_EQ(line.Take("\n", taken), State::kPort);

  EXPECT_EQ(line.port(), 4294967295u);
}

class InvalidLineTest : public testing::TestWithParam<const char*> {};

TEST_P(InvalidLineTest, IsRefused) {
  ConnectLine line;
  size_t taken = 0;

  EXPECT_EQ(line.Take(GetParam(), taken), State::kInvalid);

  EXPECT_LE(taken, ConnectLine::kMaxSize);
  EXPECT_EQ(line.Take("CONNECT 1\n", taken), State::kInvalid);
  EXPECT_EQ(taken, 0u);
}

INSTANTIATE_TEST_SUITE_P(Lines, InvalidLineTest,
                         testing::Values("\n", "CONNECT \n", "CONNECT -1\n", "CONNECT 4294967296\n",
                                         "CONNECT  1\n", "CONNECT 1 \n", "connect 1\n",
                                         "CONNECT 0x10\n", "CONNECT1\n",
                                         "CONNECT 000000000000001\n",
                                         "GET / HTTP/1.1 and more of that\n"));

TEST(AcceptedLineTest, NamesTheHostsPort) {
  EXPECT_EQ(AcceptedLine(1073741824), "OK 1073741824\n");
}

}  // namespace
}  // namespace touchstone
