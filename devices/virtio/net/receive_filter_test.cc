#include "devices/virtio/net/receive_filter.h"

#include "gtest/gtest.h"

namespace touchstone {
namespace {

constexpr MacAddress kOwn = {0x52, 0x54, 0, 1, 2, 3};
constexpr MacAddress kOther = {0x52, 0x54, 0, 9, 9, 9};
constexpr MacAddress kGroup = {0x33, 0x33, 0, 0, 0, 1};
constexpr MacAddress kBroadcast = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};

TEST(ReceiveFilterTest, AtFirstAllPasses) {
  const ReceiveFilter filter = {.mac = kOwn};

  EXPECT_TRUE(filter.Accepts(kOther));
  EXPECT_TRUE(filter.Accepts(kGroup));
}

TEST(ReceiveFilterTest, OwnAddressAndBroadcastPass) {
  const ReceiveFilter filter = {.promiscuous = false, .mac = kOwn};

  EXPECT_TRUE(filter.Accepts(kOwn));
  EXPECT_TRUE(filter.Accepts(kBroadcast));
  EXPECT_FALSE(filter.Accepts(kOther));
  EXPECT_FALSE(filter.Accepts(kGroup));
}

TEST(ReceiveFilterTest, WithoutAnAddressAllUnicastPasses) {
  const ReceiveFilter filter = {.promiscuous = false};

  EXPECT_TRUE(filter.Accepts(kOther));
  EXPECT_FALSE(filter.Accepts(kGroup));
}

TEST(ReceiveFilterTest, TablesPass) {
  const ReceiveFilter filter = {
      .promiscuous = false, .mac = kOwn, .unicast = {kOther}, .multicast = {kGroup}};

  EXPECT_TRUE(filter.Accepts(kOther));
  EXPECT_TRUE(filter.Accepts(kGroup));
}

TEST(ReceiveFilterTest, AllMulticastIsMulticastOnly) {
  const ReceiveFilter filter = {.promiscuous = false, .all_multicast = true, .mac = kOwn};

  EXPECT_TRUE(filter.Accepts(kGroup));
  EXPECT_FALSE(filter.Accepts(kOther));
}

TEST(ReceiveFilterTest, WhatIsInATableThatWasTooLongMayBeAnything) {
  const ReceiveFilter unicast = {.promiscuous = false, .mac = kOwn, .unicast_overflow = true};
  const ReceiveFilter multicast = {.promiscuous = false, .mac = kOwn, .multicast_overflow = true};

  EXPECT_TRUE(unicast.Accepts(kOther));
  EXPECT_FALSE(unicast.Accepts(kGroup));
  EXPECT_TRUE(multicast.Accepts(kGroup));
  EXPECT_FALSE(multicast.Accepts(kOther));
}

}  // namespace
}  // namespace touchstone
