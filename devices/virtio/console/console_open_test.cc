#include "devices/virtio/console/console_open.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/event/manual_loop.h"
#include "devices/virtio/console/console_protocol.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/guest_driver.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

std::string ReadFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  char text[1000];
  const ssize_t count = read(fd, text, sizeof(text));
  close(fd);
  return std::string(text, count > 0 ? static_cast<size_t>(count) : 0);
}

class OpenConsoleTest : public testing::Test {
 protected:
  OpenConsoleTest() {
    char name[] = "/tmp/console_open_XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~OpenConsoleTest() override {
    for (const std::string& path : paths_) unlink(path.c_str());
    rmdir(folder_.c_str());
  }

  SerialConfig& Add(uint32_t num) {
    SerialConfig& entry = entries_.emplace_back();
    entry.set_hardware(SerialConfig::VIRTIO_CONSOLE);
    entry.set_type(SerialConfig::FILE);
    entry.set_num(num);
    paths_.push_back(absl::StrCat(folder_, "/", num));
    entry.set_path(paths_.back());
    return entry;
  }
  absl::StatusOr<std::unique_ptr<VirtioDevice>> Open() {
    return OpenConsole(entries_, loop_, loop_.clock());
  }
  void Write(VirtioDevice& device, uint16_t queue, uint8_t byte) {
    GuestDriver guest(device, {.queue_size = 4, .queue_memory = 1 << 16});
    guest.Start();
    guest.queue(queue).Chain().Readable({byte}).Send();
    guest.Kick(queue);
    loop_.RunReady();
  }

  std::string folder_;
  std::vector<std::string> paths_;
  ManualLoop loop_;
  std::vector<SerialConfig> entries_;
};

TEST_F(OpenConsoleTest, OneEntryIsASingleConsole) {
  Add(1);
  const auto console = Open();
  ASSERT_TRUE(console.ok()) << console.status();
  Write(**console, 1, 'x');

  EXPECT_THAT((*console)->max_queue_sizes(), SizeIs(2));
  EXPECT_EQ((*console)->features() & kConsoleMultiport, 0u);
  EXPECT_EQ(ReadFile(paths_[0]), "x");
}

TEST_F(OpenConsoleTest, OneEntryWithANameIsAPort) {
  Add(1).set_name("agent");

  EXPECT_THAT(Open().value()->max_queue_sizes(), SizeIs(4));
}

TEST_F(OpenConsoleTest, EntriesArePortsInTheOrderOfTheirNumbers) {
  Add(7);
  Add(3);
  const auto console = Open();
  ASSERT_TRUE(console.ok()) << console.status();
  Write(**console, ConsoleOutputQueue(0), 'a');
  Write(**console, ConsoleOutputQueue(1), 'b');

  EXPECT_EQ((*console)->features() & kConsoleMultiport, kConsoleMultiport);
  EXPECT_EQ(ReadFile(paths_[1]), "a");
  EXPECT_EQ(ReadFile(paths_[0]), "b");
}

TEST_F(OpenConsoleTest, LegacyIsASingleConsoleWithoutFeatures) {
  Add(1).set_hardware(SerialConfig::LEGACY_VIRTIO_CONSOLE);

  EXPECT_EQ(Open().value()->features(), kVirtioVersion1 | kVirtioEventIndex);
}

TEST_F(OpenConsoleTest, ErrorsNameThePortAndTheFile) {
  Add(2).set_path("/nonexistent/log");

  EXPECT_THAT(std::string(Open().status().message()),
              testing::AllOf(HasSubstr("virtio-console 2"), HasSubstr("/nonexistent/log")));
}

TEST_F(OpenConsoleTest, PortsAreBounded) {
  for (uint32_t num = 1; num <= 32; ++num) Add(num).set_type(SerialConfig::SINK);

  EXPECT_THAT(std::string(Open().status().message()), HasSubstr("at most 31 ports"));
}

}  // namespace
}  // namespace touchstone
