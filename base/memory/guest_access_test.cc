// What all accesses have in common, whatever their interface: an integer is never torn, and no span
// is shorter or longer than what was asked for. Both were holes of other monitors (KE).

#include <atomic>
#include <thread>
#include <vector>

#include "base/endian.h"
#include "base/memory/guest_array.h"
#include "base/memory/guest_memory.h"
#include "base/memory/guest_window.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

constexpr GuestAddress kAt{0x1000};
constexpr int kTurns = 100000;

GuestMemory OnePage() { return GuestMemory::Create({{kAt, 0x1000}}, {}).value(); }

// KE-23: the guest's other processors write the index at the same time. Every read has to be one of
// two values of which no byte is equal; a torn one has bytes of both.
template <typename T, typename Write, typename Read>
bool IsNeverTorn(Write write, Read read) {
  constexpr T kOne = static_cast<T>(0x0102'0304'0506'0708);
  constexpr T kOther = static_cast<T>(0xF1F2'F3F4'F5F6'F7F8);
  write(kOne);
  std::atomic<int> turns = kTurns;
  std::thread writer([&] {
    for (; turns > 0; --turns) {
      write(kOther);
      write(kOne);
    }
  });
  bool whole = true;
  while (whole && turns > 0) {
    const T value = read();
    whole = value == kOne || value == kOther;
  }
  turns = 0;
  writer.join();
  return whole;
}

TEST(GuestAccessTest, IndicesAreNeverTorn) {
  const GuestMemory memory = OnePage();
  const auto atomic = GuestAtomic<uint16_t>::Create(memory, kAt).value();
  const auto window = GuestWindow::Create(memory, kAt, 16, 16).value();
  const auto array = GuestArray<uint16_t>::Create(memory, kAt, 4).value();
  const auto relaxed = std::memory_order_relaxed;

  EXPECT_TRUE(IsNeverTorn<uint16_t>([&](uint16_t value) { atomic.Store(value, relaxed); },
                                    [&] { return atomic.Load(relaxed); }));
  EXPECT_TRUE(IsNeverTorn<uint16_t>([&](uint16_t value) { window.Store(0, value, relaxed); },
                                    [&] { return window.Load<uint16_t>(0, relaxed); }));
  EXPECT_TRUE(IsNeverTorn<uint16_t>([&](uint16_t value) { window.Write(0, value); },
                                    [&] { return window.Read<uint16_t>(0); }));
  EXPECT_TRUE(IsNeverTorn<uint16_t>([&](uint16_t value) { array.WriteWrapped(4, value); },
                                    [&] { return array.LoadWrapped(0, relaxed); }));
}

TEST(GuestAccessTest, AlignedIntegersAreNeverTorn) {
  const GuestMemory memory = OnePage();
  const auto check = [&memory](auto zero) {
    using T = decltype(zero);
    return IsNeverTorn<T>([&](T value) { memory.WriteObject(kAt, value).IgnoreError(); },
                          [&] { return memory.ReadObject<T>(kAt).value(); });
  };

  EXPECT_TRUE(check(uint16_t{0}));
  EXPECT_TRUE(check(uint32_t{0}));
  EXPECT_TRUE(check(uint64_t{0}));
}

// As a copy byte by byte would fare, so that the tests above are known to see one.
TEST(GuestAccessTest, AByteByByteCopyWouldBeTorn) {
  std::atomic<uint8_t> bytes[8] = {};
  const auto write = [&bytes](uint64_t value) {
    for (int i = 0; i < 8; ++i) {
      bytes[i].store(static_cast<uint8_t>(value >> (8 * i)), std::memory_order_relaxed);
      std::this_thread::yield();
    }
  };
  const auto read = [&bytes] {
    uint64_t value = 0;
    for (int i = 0; i < 8; ++i) {
      value |= uint64_t{bytes[i].load(std::memory_order_relaxed)} << (8 * i);
    }
    return value;
  };

  EXPECT_FALSE(IsNeverTorn<uint64_t>(write, read));
}

// KE-24: around every edge of the memory, slices are as long as what was asked for, and all of it
// guest memory; or there are none.
TEST(GuestAccessTest, SlicesAreAsLongAsWasAskedFor) {
  const GuestMemory memory = GuestMemory::Create({{GuestAddress{0x1000}, 0x1000},
                                                  {GuestAddress{0x2000}, 0x1000},
                                                  {GuestAddress{0x4000}, 0x1000}},
                                                 {})
                                 .value();
  for (const uint64_t edge : {0x1000, 0x2000, 0x3000, 0x4000, 0x5000}) {
    for (uint64_t start = edge - 3; start <= edge + 3; ++start) {
      for (const uint64_t size : {0, 1, 2, 5, 0xFFF, 0x1000, 0x1FFD, 0x2000, 0x2001, 0x3000}) {
        SCOPED_TRACE(testing::Message() << start << " + " << size);
        const auto slices = memory.Slices(GuestAddress{start}, size);
        ASSERT_EQ(slices.ok(), memory.Contains(GuestAddress{start}, size));
        uint64_t sum = 0;
        uint64_t address = start;
        for (const iovec& slice : slices.ok() ? *slices : GuestMemory::SliceList()) {
          const auto* region = &memory.regions()[address < 0x2000 ? 0 : address < 0x3000 ? 1 : 2];
          EXPECT_EQ(slice.iov_base, region->host + (address - Raw(region->start)));
          EXPECT_LE(address - Raw(region->start) + slice.iov_len, region->size);
          sum += slice.iov_len;
          address += slice.iov_len;
        }
        EXPECT_EQ(sum, slices.ok() ? size : 0);
      }
    }
  }
}

}  // namespace
}  // namespace touchstone
