#include "vmm/machine/cpu/hwp_msrs.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

// Files in place of the msr devices: the register's number is the offset, as in those.
class HwpMsrsTest : public testing::Test {
 protected:
  HwpMsrsTest() {
    for (int cpu = 0; cpu < 2; ++cpu) {
      const std::string cpu_folder = absl::StrCat(folder_, "/", cpu);
      std::filesystem::create_directories(cpu_folder);
      device_[cpu].Reset(
          open(absl::StrCat(cpu_folder, "/msr").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
      EXPECT_EQ(ftruncate(device_[cpu].get(), 0x1000), 0);
      Put(cpu, kMsrPmEnable, 1);
    }
    msrs_ = *HwpMsrs::Open(2, folder_);
  }
  ~HwpMsrsTest() override { std::filesystem::remove_all(folder_); }

  void Put(int cpu, uint32_t index, uint64_t value) {
    EXPECT_EQ(pwrite(device_[cpu].get(), &value, sizeof(value), index), 8);
  }
  uint64_t Get(int cpu, uint32_t index) {
    uint64_t value = 0;
    EXPECT_EQ(pread(device_[cpu].get(), &value, sizeof(value), index), 8);
    return value;
  }

  const std::string folder_ = testing::TempDir() + "/msrs";
  ScopedFd device_[2];
  std::unique_ptr<HwpMsrs> msrs_;
};

TEST_F(HwpMsrsTest, AVcpuHasTheRegistersOfItsCpu) {
  Put(0, kMsrHwpRequest, 0x11);
  Put(1, kMsrHwpRequest, 0x22);
  uint64_t value = 0;

  EXPECT_TRUE(msrs_->Read(1, kMsrHwpRequest, value));
  EXPECT_EQ(value, 0x22u);
  EXPECT_TRUE(msrs_->Write(1, kMsrHwpRequest, 0x8000FF01));

  EXPECT_EQ(Get(1, kMsrHwpRequest), 0x8000FF01u);
  EXPECT_EQ(Get(0, kMsrHwpRequest), 0x11u);
  EXPECT_FALSE(msrs_->Read(2, kMsrHwpRequest, value));
  EXPECT_FALSE(msrs_->Write(2, kMsrHwpRequest, 1));
}

TEST_F(HwpMsrsTest, PlatformInfoIsTheHostsRatiosAndNoMore) {
  Put(1, kMsrPlatformInfo, ~uint64_t{0});

  EXPECT_EQ(msrs_->PlatformInfo(0), 1u << 31);
  EXPECT_EQ(msrs_->PlatformInfo(1), 0xFF008000FF00u);
  EXPECT_EQ(msrs_->PlatformInfo(2), 1u << 31);
}

struct Access {
  uint32_t index;
  bool read, write_one, write_zero, write_arrives;
};

class HwpRulesTest : public HwpMsrsTest, public testing::WithParamInterface<Access> {};

TEST_P(HwpRulesTest, AreThoseOfTheTable) {
  const Access& access = GetParam();
  Put(0, access.index, 0x5A);
  uint64_t value = 0;

  EXPECT_EQ(msrs_->Read(0, access.index, value), access.read);
  EXPECT_EQ(value, access.read ? 0x5Au : 0u);
  EXPECT_EQ(msrs_->Write(0, access.index, 1), access.write_one);
  EXPECT_EQ(Get(0, access.index), access.write_arrives ? 1u : 0x5Au);
  EXPECT_EQ(msrs_->Write(0, access.index, 0), access.write_zero);
}

INSTANTIATE_TEST_SUITE_P(
    Registers, HwpRulesTest,
    testing::Values(Access{kMsrMperf, true, false, false, false},
                    Access{kMsrAperf, true, false, false, false},
                    Access{kMsrTurboRatioLimit, true, false, false, false},
                    Access{kMsrPmEnable, true, true, false, false},
                    Access{kMsrHwpCapabilities, true, false, false, false},
                    Access{kMsrHwpRequest, true, true, true, true},
                    Access{kMsrHwpStatus, true, true, true, false},
                    Access{kMsrPlatformInfo, false, false, false, false},
                    // IA32_HWP_REQUEST_PKG, IA32_HWP_INTERRUPT, MSR_RAPL_POWER_UNIT.
                    Access{0x772, false, false, false, false},
                    Access{0x773, false, false, false, false},
                    Access{0x606, false, false, false, false}));

TEST_F(HwpMsrsTest, AHostWithoutThemIsAnError) {
  Put(1, kMsrPmEnable, 0);

  EXPECT_EQ(HwpMsrs::Open(2, folder_).status().message(),
            "the host has not turned the hardware P-states of CPU 1 on");
  EXPECT_TRUE(HwpMsrs::Open(1, folder_).ok());
}

TEST(HwpMsrsOpenTest, ADeviceThatIsNotThereIsNamed) {
  const absl::Status status = HwpMsrs::Open(1, "/no/such").status();

  EXPECT_THAT(std::string(status.message()), HasSubstr("/no/such/0/msr"));
}

}  // namespace
}  // namespace touchstone
