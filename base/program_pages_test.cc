#include "base/program_pages.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <vector>

#include "base/scoped_fd.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

// Larger than what a fault maps around itself, and not zero, so that it is in the
// file.
struct Table {
  uint32_t values[65536];
};
constexpr Table MakeTable() {
  Table table = {};
  for (uint32_t i = 0; i < 65536; ++i) table.values[i] = i * 2654435761u;
  return table;
}
constexpr Table kTable = MakeTable();
int variable = 1;

uint32_t Sum() {
  const volatile uint32_t* const values = kTable.values;
  uint32_t sum = 0;
  for (uint32_t i = 0; i < 65536; ++i) sum += values[i];
  return sum;
}

// How many of the whole pages in this range the process has mapped.
uint64_t ResidentPages(const void* start, uint64_t size) {
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t first = (reinterpret_cast<uint64_t>(start) + page - 1) / page * page;
  const uint64_t last = (reinterpret_cast<uint64_t>(start) + size) / page * page;
  // pagemap: bit 63 is set for a page that this process has mapped.
  const ScopedFd pagemap(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  std::vector<uint64_t> entries((last - first) / page);
  const size_t bytes = entries.size() * sizeof(uint64_t);
  EXPECT_EQ(pread(pagemap.get(), entries.data(), bytes, static_cast<off_t>(first / page * 8)),
            static_cast<ssize_t>(bytes));
  uint64_t resident = 0;
  for (const uint64_t entry : entries) resident += entry >> 63;
  return resident;
}

TEST(ProgramPagesTest, ConstantsLeaveMemoryAndComeBackUnchanged) {
  const uint32_t sum = Sum();
  ASSERT_GE(ResidentPages(&kTable, sizeof(kTable)), 63u);

  EXPECT_GT(ReleaseProgramPages(), sizeof(kTable));

  // Neighbours that are used again come back with up to 64 KiB around them.
  EXPECT_EQ(ResidentPages(kTable.values + 16384, sizeof(kTable) / 2), 0u);
  EXPECT_EQ(Sum(), sum);
}

TEST(ProgramPagesTest, VariablesKeepTheirValues) {
  variable = 2;

  ReleaseProgramPages();

  EXPECT_EQ(variable, 2);
}

}  // namespace
}  // namespace touchstone
