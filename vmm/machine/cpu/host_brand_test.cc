#include "vmm/machine/cpu/host_brand.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

TEST(HostBrandTest, IsPrintableAndTrimmed) {
  const std::string brand = HostBrand();

  EXPECT_LE(brand.size(), 48u);
  EXPECT_TRUE(std::all_of(brand.begin(), brand.end(), absl::ascii_isprint)) << brand;
  EXPECT_EQ(absl::StripAsciiWhitespace(brand), brand);
}

}  // namespace
}  // namespace touchstone
