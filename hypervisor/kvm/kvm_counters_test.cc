#include "hypervisor/kvm/kvm_counters.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::FieldsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint32_t kNameSize = 16;
constexpr uint32_t kDescriptorsAt = 32;
constexpr uint32_t kDataAt = 512;
constexpr uint32_t kCumulative = 0;
constexpr uint32_t kInstant = 1;

// A file of counters in KVM's form, written by hand.
class CountersFile {
 public:
  CountersFile() : fd_(memfd_create("counters", MFD_CLOEXEC)) {
    Header(0);
    Store(kDataAt + 64, uint64_t{0});
  }

  void Header(uint32_t count, uint32_t name_size = kNameSize) {
    // flags, name_size, num_desc, id_offset, desc_offset, data_offset
    const uint32_t words[] = {0, name_size, count, 24, kDescriptorsAt, kDataAt};
    for (uint32_t i = 0; i < 6; ++i) Store(i * 4, words[i]);
  }
  void Counter(uint32_t index, const std::string& name, uint32_t flags, uint16_t size,
               uint64_t value) {
    const uint32_t at = kDescriptorsAt + index * (16 + kNameSize);
    Store(at, flags);
    Store(at + 6, size);
    Store(at + 8, index * 8);
    std::string text = name;
    text.resize(kNameSize);
    pwrite(fd_.get(), text.data(), text.size(), at + 16);
    Store(kDataAt + index * 8, value);
  }
  void Truncate(uint32_t size) { EXPECT_EQ(ftruncate(fd_.get(), size), 0); }

  KvmCounters Open() { return KvmCounters(ScopedFd(dup(fd_.get()))); }

 private:
  template <typename T>
  void Store(uint32_t at, T value) {
    EXPECT_EQ(pwrite(fd_.get(), &value, sizeof(value), at), ssize_t{sizeof(value)});
  }

  ScopedFd fd_;
};

TEST(KvmCountersTest, ThereAreNoneOfNothing) { EXPECT_THAT(*KvmCounters().Read(), IsEmpty()); }

TEST(KvmCountersTest, RunningTotalsAreReadByName) {
  CountersFile file;
  file.Header(4);
  file.Counter(0, "exits", kCumulative, 1, 7);
  file.Counter(1, "blocking", kInstant, 1, 1);
  file.Counter(2, "halt_hist", kCumulative, 2, 5);
  file.Counter(3, "a_name_of_16_cha", kCumulative, 1, uint64_t{1} << 40);

  const auto counters = file.Open().Read();

  ASSERT_TRUE(counters.ok()) << counters.status();
  EXPECT_THAT(*counters,
              ElementsAre(FieldsAre("exits", 7), FieldsAre("a_name_of_16_cha", uint64_t{1} << 40)));
}

TEST(KvmCountersTest, AFileOfAnotherFormIsAnError) {
  CountersFile file;
  file.Header(1u << 20);
  EXPECT_THAT(file.Open().Read().status().message(), HasSubstr("another form"));
  file.Header(1, 0);
  EXPECT_THAT(file.Open().Read().status().message(), HasSubstr("another form"));
  file.Header(1, 1u << 20);
  EXPECT_THAT(file.Open().Read().status().message(), HasSubstr("another form"));
}

TEST(KvmCountersTest, AFileThatEndsEarlyIsAnError) {
  CountersFile file;
  file.Header(1);
  file.Counter(0, "exits", kCumulative, 1, 7);
  for (const uint32_t size : {0u, 23u, kDescriptorsAt + 10, kDataAt + 4}) {
    SCOPED_TRACE(size);
    file.Truncate(size);
    EXPECT_THAT(file.Open().Read().status().message(), HasSubstr("end early"));
    file.Header(1);
    file.Counter(0, "exits", kCumulative, 1, 7);
  }
}

}  // namespace
}  // namespace touchstone
