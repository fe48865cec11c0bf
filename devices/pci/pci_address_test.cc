#include "devices/pci/pci_address.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

TEST(PciAddressTest, ParsesWithAndWithoutDomain) {
  EXPECT_EQ(*PciAddress::Parse("00:1f.7"), (PciAddress{0, 0, 0x1F, 7}));
  EXPECT_EQ(*PciAddress::Parse("0:2.0"), (PciAddress{0, 0, 2, 0}));
  EXPECT_EQ(*PciAddress::Parse("12ab:FF:0a.3"), (PciAddress{0x12AB, 0xFF, 10, 3}));
}

TEST(PciAddressTest, RefusesEverythingElseAndNamesIt) {
  for (const char* text : {"", ":", "hello", "00", "00:00", "00:20.0", "00:00.8", "100:00.0",
                           "00:00.0.0", "0:0:0:0.0", "10000:00:00.0", "-1:00.0", " 0:00.0",
                           "0x0:00.0", "00:00.", "00:.0", ":00.0", "00:00.0 "}) {
    const absl::StatusOr<PciAddress> address = PciAddress::Parse(text);
    EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(address.status().message(), testing::HasSubstr(text));
  }
}

TEST(PciAddressTest, TextRoundTrips) {
  for (const char* text : {"00:00.0", "00:1f.7", "ff:0a.3", "0001:02:03.4"}) {
    EXPECT_EQ(PciAddress::Parse(text)->ToString(), text);
  }
}

TEST(PciAddressTest, DevfnPacksDeviceAndFunction) {
  EXPECT_EQ((PciAddress{0, 0, 31, 7}).devfn(), 0xFF);
  EXPECT_EQ((PciAddress{0, 0, 1, 2}).devfn(), 0x0A);
}

}  // namespace
}  // namespace touchstone
