#include "devices/platform/flash/flash.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

using Bytes = std::vector<uint8_t>;

constexpr uint32_t kBlock = 16;

Bytes Counting(size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i);
  return bytes;
}

std::string WriteFile(const std::string& name, const Bytes& bytes) {
  const std::string path = absl::StrCat(testing::TempDir(), "/", name);
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  return path;
}

class FlashTest : public testing::Test {
 protected:
  void Command(uint64_t offset, uint8_t byte) { flash_->Write(offset, {&byte, 1}); }
  Bytes Read(uint64_t offset, size_t size) {
    Bytes bytes(size, 0xEE);
    flash_->Read(offset, absl::MakeSpan(bytes));
    return bytes;
  }
  Bytes Contents() {
    Command(0, Flash::kReadArray);
    return Read(0, 4 * kBlock);
  }
  Bytes File() {
    std::ifstream file(path_, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(file), {});
  }

  const std::string path_ = WriteFile("flash", Counting(4 * kBlock));
  const std::unique_ptr<Flash> flash_ = Flash::Open(path_, kBlock).value();
};

TEST_F(FlashTest, ShowsTheFileAtFirst) {
  EXPECT_EQ(flash_->size(), 4 * kBlock);
  EXPECT_THAT(Read(0, 1), ElementsAre(0));
  EXPECT_THAT(Read(21, 4), ElementsAre(21, 22, 23, 24));
  EXPECT_THAT(Read(4 * kBlock - 8, 8), ElementsAre(56, 57, 58, 59, 60, 61, 62, 63));
}

TEST_F(FlashTest, AProgrammedByteIsInTheFileToo) {
  Command(5, Flash::kProgram);
  Command(5, 0xA5);

  EXPECT_THAT(Read(0, 2), Each(Flash::kReady));
  Bytes expected = Counting(4 * kBlock);
  expected[5] = 0xA5;
  EXPECT_EQ(Contents(), expected);
  EXPECT_EQ(File(), expected);
}

TEST_F(FlashTest, ABlockIsErasedWhole) {
  Command(kBlock + 3, Flash::kEraseBlock);
  Command(kBlock + 3, Flash::kConfirm);

  EXPECT_THAT(Read(0, 1), Each(Flash::kReady));
  Bytes expected = Counting(4 * kBlock);
  std::fill_n(expected.begin() + kBlock, kBlock, 0xFF);
  EXPECT_EQ(Contents(), expected);
  EXPECT_EQ(File(), expected);
}

TEST_F(FlashTest, AnEraseThatIsNotConfirmedIsAnErrorOfBothKinds) {
  Command(0, Flash::kEraseBlock);
  Command(0, Flash::kReadArray);

  EXPECT_THAT(Read(0, 1), Each(Flash::kReady | Flash::kEraseFailed | Flash::kProgramFailed));
  EXPECT_EQ(Contents(), Counting(4 * kBlock));
}

// What OVMF's driver does to tell flash from RAM and ROM (QemuFlashDetected).
TEST_F(FlashTest, OvmfTakesItForFlash) {
  Command(7, Flash::kClearStatus);
  EXPECT_THAT(Read(7, 1), ElementsAre(7));
  Command(7, Flash::kReadStatus);
  EXPECT_THAT(Read(7, 1), ElementsAre(0));
  Command(7, Flash::kReadArray);
  EXPECT_THAT(Read(7, 1), ElementsAre(7));
}

TEST_F(FlashTest, StatusIsInEachByteUntilItIsCleared) {
  Command(0, Flash::kEraseBlock);
  Command(0, 0);
  Command(0, Flash::kReadStatus);
  EXPECT_THAT(Read(3, 8), Each(0xB0));

  Command(0, Flash::kClearStatus);
  EXPECT_EQ(flash_->Save(), Flash::State{});
}

TEST_F(FlashTest, UnknownCommandsAndWideWritesChangeNothing) {
  Command(0, 0x98);  // the CFI query
  EXPECT_EQ(flash_->Save(), Flash::State{});

  const uint8_t wide[] = {Flash::kProgram, 0, 0, 0};
  flash_->Write(0, wide);

  EXPECT_EQ(flash_->Save(), Flash::State{});
  EXPECT_EQ(Contents(), Counting(4 * kBlock));
}

TEST_F(FlashTest, AHostThatCannotWriteFailsTheCommand) {
  Flash flash(ScopedFd(open(path_.c_str(), O_RDONLY)), Counting(4 * kBlock), kBlock);
  const auto command = [&](uint8_t byte) { flash.Write(3, {&byte, 1}); };

  command(Flash::kProgram);
  command(0x77);
  EXPECT_EQ(flash.Save().status, Flash::kReady | Flash::kProgramFailed);
  command(Flash::kEraseBlock);
  command(Flash::kConfirm);
  EXPECT_EQ(flash.Save().status, Flash::kReady | Flash::kEraseFailed);

  command(Flash::kReadArray);
  uint8_t byte = 0;
  flash.Read(3, absl::MakeSpan(&byte, 1));
  EXPECT_EQ(byte, 3);
}

TEST_F(FlashTest, SavedStateIsRestoredAndGarbageIsNot) {
  Command(0, Flash::kEraseBlock);
  const Flash::State state = flash_->Save();
  Command(0, 0);

  EXPECT_TRUE(flash_->Restore(state).ok());
  EXPECT_EQ(flash_->Save(), state);
  EXPECT_FALSE(flash_->Restore({static_cast<Flash::Mode>(4), 0}).ok());
  EXPECT_FALSE(flash_->Restore({Flash::Mode::kArray, 1}).ok());
  EXPECT_EQ(flash_->Save(), state);
}

TEST(FlashOpenTest, SaysWhatIsWrongWithTheFile) {
  const auto error = [](const std::string& path, uint32_t block_size) {
    return std::string(Flash::Open(path, block_size).status().message());
  };
  const std::string empty = WriteFile("empty", {});
  const std::string odd = WriteFile("odd", Bytes(100));
  const std::string large = absl::StrCat(testing::TempDir(), "/large");
  WriteFile("large", {});
  ASSERT_EQ(truncate(large.c_str(), Flash::kLargest + 1), 0);

  EXPECT_EQ(error("/no/flash", 16), "--pflash: open /no/flash: No such file or directory");
  EXPECT_EQ(error("/dev/null", 16), "--pflash: /dev/null is not a regular file");
  EXPECT_EQ(error(empty, 16), absl::StrCat("--pflash: ", empty, " is empty"));
  EXPECT_EQ(error(odd, 16),
            absl::StrCat("--pflash: ", odd, " has 100 bytes, which are no whole blocks of 16"));
  EXPECT_EQ(error(odd, 0),
            absl::StrCat("--pflash: ", odd, " has 100 bytes, which are no whole blocks of 0"));
  EXPECT_THAT(error(large, 16), testing::HasSubstr(large));
}

}  // namespace
}  // namespace touchstone
