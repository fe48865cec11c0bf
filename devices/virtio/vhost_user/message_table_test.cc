#include "devices/virtio/vhost_user/message_table.h"

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::HasSubstr;

VhostUserHeader Header(VhostUserRequest request, uint32_t size, uint32_t flags = 0) {
  return {
      .request = static_cast<uint32_t>(request), .flags = flags | kVhostUserVersion, .size = size};
}

absl::Status Check(const VhostUserHeader& header) {
  return CheckVhostUserHeader(VhostUserFrontendTable(), header);
}

TEST(VhostUserMessageTableTest, EachRequestHasOneRow) {
  std::set<uint32_t> requests;
  std::set<std::string> names;
  for (const VhostUserRow& row : VhostUserFrontendTable()) {
    EXPECT_TRUE(requests.insert(row.request).second) << row.name;
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_EQ(FindVhostUserRow(VhostUserFrontendTable(), row.request), &row);
  }
  EXPECT_EQ(FindVhostUserRow(VhostUserFrontendTable(), 0), nullptr);
  EXPECT_EQ(FindVhostUserRow(VhostUserFrontendTable(), 0xFFFF'FFFF), nullptr);
}

// vhost-user, "Message Specification" and "Communication".
TEST(VhostUserMessageTableTest, KnowsSizesAndReplies) {
  EXPECT_TRUE(Check(Header(VhostUserRequest::kGetFeatures, 0)).ok());
  EXPECT_TRUE(Check(Header(VhostUserRequest::kSetVringAddr, 40)).ok());
  EXPECT_TRUE(Check(Header(VhostUserRequest::kSetMemTable, 8)).ok());
  EXPECT_TRUE(Check(Header(VhostUserRequest::kSetMemTable, 8 + 8 * 32)).ok());
  EXPECT_TRUE(Check(Header(VhostUserRequest::kGetConfig, 12 + 256)).ok());
  EXPECT_TRUE(Check(Header(VhostUserRequest::kGetFeatures, 8, kVhostUserReply)).ok());
  // An acknowledgement.
  EXPECT_TRUE(Check(Header(VhostUserRequest::kSetVringNum, 8, kVhostUserReply)).ok());
  EXPECT_TRUE(Check(Header(VhostUserRequest::kSetMemTable, 8, kVhostUserReply)).ok());
}

TEST(VhostUserMessageTableTest, RefusesOtherSizes) {
  EXPECT_THAT(std::string(Check(Header(VhostUserRequest::kGetFeatures, 1)).message()),
              HasSubstr("GET_FEATURES"));
  EXPECT_FALSE(Check(Header(VhostUserRequest::kSetFeatures, 0)).ok());
  EXPECT_FALSE(Check(Header(VhostUserRequest::kSetFeatures, 0xFFFF'FFFF)).ok());
  EXPECT_FALSE(Check(Header(VhostUserRequest::kSetMemTable, 7)).ok());
  EXPECT_FALSE(Check(Header(VhostUserRequest::kSetMemTable, 8 + 9 * 32)).ok());
  EXPECT_FALSE(Check(Header(VhostUserRequest::kGetConfig, 12 + 257)).ok());
  EXPECT_FALSE(Check(Header(VhostUserRequest::kSetVringNum, 16, kVhostUserReply)).ok());
}

TEST(VhostUserMessageTableTest, RefusesUnknownHeaders) {
  EXPECT_FALSE(Check({.request = 0u, .flags = 1u, .size = 0u}).ok());
  EXPECT_FALSE(Check({.request = 1000u, .flags = 1u, .size = 0u}).ok());
  EXPECT_THAT(std::string(Check({.request = 1u, .flags = 0u, .size = 0u}).message()),
              HasSubstr("version"));
  EXPECT_FALSE(Check({.request = 1u, .flags = 2u, .size = 0u}).ok());
  EXPECT_THAT(std::string(Check(Header(VhostUserRequest::kGetFeatures, 0, 1 << 4)).message()),
              HasSubstr("flags"));
}

TEST(VhostUserMessageTableTest, RefusesMoreDescriptorsThanThereMayBe) {
  VhostUserMessage message = {.request = static_cast<uint32_t>(VhostUserRequest::kGetFeatures),
                              .flags = kVhostUserVersion};
  EXPECT_TRUE(CheckVhostUserFds(VhostUserFrontendTable(), message).ok());
  message.fds.emplace_back();
  EXPECT_FALSE(CheckVhostUserFds(VhostUserFrontendTable(), message).ok());
  message.request = static_cast<uint32_t>(VhostUserRequest::kSetVringKick);
  EXPECT_TRUE(CheckVhostUserFds(VhostUserFrontendTable(), message).ok());
  message.flags |= kVhostUserReply;
  EXPECT_FALSE(CheckVhostUserFds(VhostUserFrontendTable(), message).ok());
}

}  // namespace
}  // namespace touchstone
